"""`apply`: the winning strategy over a whole data set, in the sandbox, shard by shard, resumable.

One file is one shard. Beside the output lies `.curate/HASH/`, keyed by the strategy and everything that changes what
comes out: Datatrove's completion markers (a done shard is not done again), the list of files, faults and counts.
Another strategy, other settings or other files on the same output are refused, not mixed.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cognition.records import JSON, MachineFault
from curation.cleaning import Allowance
from curation.pipeline import Audit, BatchSize, CandidateStep, OpenSandbox, stock
from curation.scale import executors
from curation.scale.executors import ExecutorSettings
from curation.scale.ledger import Counts, Ledger, totals
from curation.strategy import StockStep, strategy_hash

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.zstd", ".json.gz", ".parquet")
BOOKS = ".curate"
LOOK_EVERY_S = 1.0
EDGE_BYTES = 1 << 16


class ApplyError(ValueError):
    """What was asked for cannot be done; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that `apply` depends on."""

    code: str
    steps: tuple[StockStep, ...]
    source: Path
    target: Path
    form: str = ""  # jsonl, jsonl.gz or parquet; "": that of the first input file (zstd becomes gz)
    text_key: str = "text"
    id_key: str = "id"
    longest_mb: float = 16.0
    stop_at_fault: bool = False
    allowance: Allowance = field(default_factory=lambda: Allowance(document_cpu_s=5.0, cpu_s=600.0, memory_mb=2048))
    batch: BatchSize = field(default_factory=BatchSize)
    executor: ExecutorSettings = field(default_factory=ExecutorSettings)
    dedup: bool = False  # minhash deduplication after the strategy
    audit_every: int = 10  # of so many batches the referee looks at a sample; 0: at none

    @property
    def key(self) -> str:
        """The identity of the output."""
        steps = [[step.name, list(step.thresholds)] for step in self.steps]
        allowance: JSON = asdict(self.allowance)
        more: list[JSON] = ["minhash"] if self.dedup else []
        return strategy_hash(
            self.code, steps, self.form, self.text_key, self.id_key, self.longest_mb, allowance, self.stop_at_fault,
            *more,
        )  # fmt: skip

    @property
    def books(self) -> Path:
        """Where markers, faults and counts of this output are."""
        return self.target / BOOKS / self.key


@dataclass(frozen=True, slots=True)
class Applied:
    """How it went: totals over all shards, also those of earlier runs."""

    shards: int
    done_before: int
    counts: Counts
    books: Path
    deduped: Any = None  # dedup.Deduped, if it was asked for
    submitted: bool = False  # to a cluster that works on when this command has ended


Watch = Callable[[int, Counts], None]  # shards done, counts so far


def apply(plan: Plan, open_sandbox: OpenSandbox, watch: Watch | None = None) -> Applied:
    """Clean everything that is not yet done. Raises ApplyError, MachineFault, or what stopped a shard."""
    files = inputs(plan.source)
    claim(plan, files)
    done_before = _done(plan.books)
    # One shard per file, and the list of files is fixed: ranks mean the same in every run.
    stages = _stages(plan, files, open_sandbox)
    if plan.executor.kind == "slurm" and any(stage.get_incomplete_ranks() for stage in stages):
        stages[-1].run()  # submits those before it
        return Applied(len(files), done_before, totals(plan.books), plan.books, submitted=True)
    with _watched(plan.books, watch):
        for stage in stages:
            stage.run()
    return Applied(len(files), done_before, totals(plan.books), plan.books, _deduped(plan))


def scripts(plan: Plan, open_sandbox: OpenSandbox) -> list[str]:
    """What Slurm would be given, one script per stage. Nothing is started, and no output folder is claimed."""
    return [executors.script(stage) for stage in _stages(plan, inputs(plan.source), open_sandbox, check=False)]


def _stages(plan: Plan, files: list[str], open_sandbox: OpenSandbox, check: bool = True) -> list[Any]:
    pipeline = _pipeline(plan, files, open_sandbox)
    first = executors.build(plan.executor, pipeline, len(files), plan.books, check=check)
    if not plan.dedup:
        return [first]
    from curation.scale import dedup

    if dedup.finished(plan.books):
        return [first]
    return [first, *dedup.stages(plan.books, len(files), _writer(plan, files), plan.executor, first, check)]


def _deduped(plan: Plan) -> Any:
    if not plan.dedup:
        return None
    from curation.scale import dedup

    return dedup.finished(plan.books) or dedup.finish(plan.books)


def inputs(source: Path) -> list[str]:
    """The files to read, as paths under the source folder (or a single file). Raises ApplyError."""
    if source.is_file() and source.name.endswith(SUFFIXES):
        return [source.name]
    if not source.is_dir():
        raise ApplyError(f"{source}: expected a folder or a file that ends in {', '.join(SUFFIXES)}")
    found = sorted(p.relative_to(source).as_posix() for p in source.rglob("*") if p.name.endswith(SUFFIXES))
    if not found:
        raise ApplyError(f"{source} has no file that ends in {', '.join(SUFFIXES)}")
    return found


def claim(plan: Plan, files: list[str]) -> None:
    """Make the output folder ours, or find that it is. Raises ApplyError."""
    if plan.target.resolve().is_relative_to(plan.source.resolve()):
        raise ApplyError(f"{plan.target} lies in {plan.source}, and its files would be read as input: choose another")
    others = [path.name for path in (plan.target / BOOKS).glob("*") if path.is_dir() and path.name != plan.key]
    if others:
        raise ApplyError(
            f"{plan.target} holds the output of another strategy or other settings ({', '.join(others)}): choose "
            "another folder, or remove that one"
        )
    manifest = plan.books / "manifest.json"
    if not manifest.exists():
        if plan.target.exists() and any(plan.target.iterdir()) and not plan.books.exists():
            raise ApplyError(f"{plan.target} is not empty: choose another folder")
        plan.books.mkdir(parents=True, exist_ok=True)
        (plan.books / "paths.txt").write_text("".join(f"{name}\n" for name in files), encoding="utf-8")
        (plan.books / "strategy.py").write_text(plan.code, encoding="utf-8")
        part = manifest.with_suffix(".part")
        content = {"source": str(plan.source), "files": files, "contents": contents(plan.source, files)}
        part.write_text(json.dumps(content, indent=1), encoding="utf-8")
        part.replace(manifest)  # a run that is killed here leaves none, not half a one
        return
    known = json.loads(manifest.read_text(encoding="utf-8"))
    if changed := _changed(known, files, contents(plan.source, files)):
        raise ApplyError(
            f"the files under {plan.source} have changed since this output was begun ({changed}): take another folder"
        )


def contents(source: Path, files: list[str]) -> dict[str, list[JSON]]:
    """Of each file its size, the time of its last change, and a hash of its first and last bytes.

    Not of all of it: that would read the whole data set once more. A copy has to keep its times (cp -p, rsync -a).
    """
    root = source if source.is_dir() else source.parent
    return {name: _content(root / name) for name in files}


def _content(path: Path) -> list[JSON]:
    status = path.stat()
    with path.open("rb") as file:
        digest = hashlib.blake2b(file.read(EDGE_BYTES), digest_size=16)
        file.seek(max(EDGE_BYTES, status.st_size - EDGE_BYTES))
        digest.update(file.read(EDGE_BYTES))
    return [status.st_size, status.st_mtime_ns, digest.hexdigest()]


def _changed(known: dict[str, Any], files: list[str], now: dict[str, list[JSON]]) -> str:
    """What is different, in words; "" if nothing is."""
    if "contents" not in known:
        return "an earlier version of nightshift began it, which kept no contents to compare with"
    if known["files"] != files:
        odd = sorted(set(known["files"]) ^ set(files))
        return f"{len(odd)} came or went, such as {odd[0]}"
    different = [name for name in files if known["contents"][name] != now[name]]
    return f"{len(different)} with other contents or times, such as {different[0]}" if different else ""


def _pipeline(plan: Plan, files: list[str], open_sandbox: OpenSandbox) -> list[Any]:
    from curation.scale.readers import RecordingReader
    from curation.scale.writers import Account

    ledger = Ledger(plan.books, plan.stop_at_fault)
    root = plan.source if plan.source.is_dir() else plan.source.parent
    paths = str(plan.books / "paths.txt")
    reader = RecordingReader(str(root), paths, ledger, plan.text_key, plan.id_key, plan.longest_mb)
    audit = Audit(ledger.finding, plan.audit_every) if plan.audit_every else None
    candidate = CandidateStep(plan.code, open_sandbox, plan.allowance, plan.batch, ledger.fault, audit)
    if plan.dedup:
        from curation.scale.dedup import staging

        out = staging(plan.books)
    else:
        out = _writer(plan, files)
    return [reader, *stock(plan.steps), candidate, out, Account(ledger, candidate)]


def _writer(plan: Plan, files: list[str]) -> Any:
    from curation.scale.writers import writer

    return writer(plan.target, plan.form or form_of(files[0]), plan.text_key, plan.id_key)


def form_of(name: str) -> str:
    """The output's form for an input file.

    >>> form_of("a/b.jsonl.zst"), form_of("c.parquet")
    ('jsonl.gz', 'parquet')
    """
    if name.endswith(".parquet"):
        return "parquet"
    return "jsonl" if name.endswith(".jsonl") else "jsonl.gz"


def _done(books: Path) -> int:
    return len(list((books / "completions").glob("*")))


@contextmanager
def _watched(books: Path, watch: Watch | None) -> Iterator[None]:
    """Tell `watch` how far the shards are, once a second, from what they write."""
    if watch is None:
        yield
        return
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_EVERY_S):
            watch(_done(books), totals(books, "progress"))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def need_datatrove() -> None:
    """Raises MachineFault where the extra is not installed."""
    try:
        import datatrove  # noqa: F401
    except ImportError as error:
        raise MachineFault(f"curate needs a package: {error}. pip install 'nightshift[curation]'") from error
