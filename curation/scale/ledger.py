"""What one shard's run leaves beside its output: every fault, running counts, and totals at the end.

Each shard has its own files, so shards never write to the same one, and a resumed run can add all of them up
(Datatrove's stats.json covers only the shards of the last run).
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from curation.cleaning import Fault

PROGRESS_EVERY_S = 1.0


class ShardStopped(Exception):
    """A fault, where the run was told to stop at one."""


@dataclass(slots=True)
class Counts:
    """Totals of a shard. read = faults + dropped by stock steps + dropped by the strategy + kept."""

    read: int = 0
    kept: int = 0
    dropped_by_stock_steps: int = 0
    dropped_by_strategy: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    unreadable_files: int = 0
    chars_in: int = 0
    chars_out: int = 0
    sandbox_cpu_s: float = 0.0
    audited: int = 0  # documents that the referee looked at, and that were cleaned once more in another order
    findings: dict[str, int] = field(default_factory=dict)  # what it found; these documents are written all the same

    def add(self, other: Counts) -> None:
        """Add another shard's."""
        for name in ("read", "kept", "dropped_by_stock_steps", "dropped_by_strategy", "unreadable_files", "audited"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.chars_in += other.chars_in
        self.chars_out += other.chars_out
        self.sandbox_cpu_s += other.sandbox_cpu_s
        for mine, theirs in ((self.faults, other.faults), (self.findings, other.findings)):
            for kind, count in theirs.items():
                mine[kind] = mine.get(kind, 0) + count


class Ledger:
    """One shard's books. `stop_at_fault`: the first fault ends the shard, without a completion marker."""

    def __init__(self, folder: Path, stop_at_fault: bool = False) -> None:
        self.folder, self.stop_at_fault = folder, stop_at_fault
        self.counts = Counts()
        self._rank = 0
        self._faults: IO[str] | None = None
        self._shown_s = 0.0

    def start(self, rank: int) -> None:
        """Open the books of a shard, over what an earlier, unfinished run left."""
        self._rank, self.counts = rank, Counts()
        for name in ("faults", "counts", "progress"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._faults = (self.folder / "faults" / f"{rank:05d}.jsonl").open("w", encoding="utf-8")

    def fault(self, document: str, fault: Fault, is_file: bool = False) -> None:
        """Record a document (or the rest of a file) that yields nothing. Raises ShardStopped if so configured."""
        if is_file:
            self.counts.unreadable_files += 1
        else:
            self.counts.faults[fault.kind] = self.counts.faults.get(fault.kind, 0) + 1
        self._name(document, fault, {"file": is_file})

    def finding(self, document: str, fault: Fault) -> None:
        """Record what the audit found in a document that is written all the same. Raises as `fault` does."""
        self.counts.findings[fault.kind] = self.counts.findings.get(fault.kind, 0) + 1
        self._name(document, fault, {"file": False, "written": True})

    def _name(self, document: str, fault: Fault, more: dict[str, bool]) -> None:
        assert self._faults is not None, "start() comes first"
        line = {"document": document, "kind": fault.kind, "message": fault.message, **more}
        self._faults.write(json.dumps(line, ensure_ascii=True) + "\n")
        self._faults.flush()
        if self.stop_at_fault:
            raise ShardStopped(f"{document}: {fault.kind}: {fault.message}")

    def show_progress(self) -> None:
        """Write the counts for whoever looks on, now and then."""
        now_s = time.monotonic()
        if now_s - self._shown_s >= PROGRESS_EVERY_S:
            self._shown_s = now_s
            self._write("progress")

    def finish(self) -> None:
        """Write the totals; the completion marker comes after them."""
        self._write("counts")
        self._write("progress")
        if self._faults is not None:
            self._faults.close()
            self._faults = None

    def _write(self, name: str) -> None:
        path = self.folder / name / f"{self._rank:05d}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self.counts)), encoding="utf-8")
        part.replace(path)


def totals(folder: Path, name: str = "counts") -> Counts:
    """The sum over all shards that have written."""
    total = Counts()
    for path in sorted((folder / name).glob("*.json")):
        total.add(Counts(**json.loads(path.read_text(encoding="utf-8"))))
    return total
