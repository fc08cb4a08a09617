"""Near-duplicates over a whole data set: Datatrove's minhash blocks after the strategy, one document per cluster stays.

Four stages, each an executor of its own with completion markers, so that a run that was stopped goes on: signatures
(one task per file), buckets (one per bucket), clusters (one task), filter (one per file). The cleaned documents wait as
JSON lines under `.curate/HASH/dedup/cleaned`, which is removed with the signatures once everything is done. Texts below
five words have no signature and stay. What is removed is named in `dedup/removed`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
    minhash,
)
from datatrove.utils.hashing import HashConfig

from curation.scale import executors
from curation.scale.executors import ExecutorSettings
from curation.scale.writers import LeanJsonl, plain

#: Datatrove's own sizes: 5-grams of words, 14 buckets of 8 hashes, so two texts of similarity 0.72 meet with
#: probability one half. SHA-1, since the faster hash is a package that not everybody has.
CONFIG = MinhashConfig(hash_config=HashConfig(precision=64, hash_fc="sha1"))


def _silent(steps: Iterable[Any], **_: Any) -> Iterable[Any]:
    return steps


minhash.tqdm = _silent  # its progress bar would go to a terminal that is ours


@dataclass(frozen=True, slots=True)
class Deduped:
    """How it went, over all shards and runs."""

    removed: int
    kept: int
    clusters: int
    chars_out: int


class Words:
    """Splits at white space: the signature has taken signs and cases out by then, and spacy takes 30 times as long."""

    def word_tokenize(self, text: str) -> list[str]:
        """As Datatrove's tokenizers do it."""
        return text.split()


class Staged(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """Reads what a shard's cleaning left; a shard without any document left no file."""

    name = "staged documents"
    type = "reader"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """See PipelineStep."""
        path = self.folder / f"{rank:05d}.jsonl"
        if not path.exists():
            return
        with path.open("rb") as lines:
            for line in lines:
                row = orjson.loads(line)
                yield Document(row["text"], row["id"], metadata=row["metadata"])


class Removed:
    """Datatrove's exclusion writer: the names of removed documents, one file per shard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        self._file: Any = None

    def __enter__(self) -> Removed:
        """Opened at the first document."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the shard's file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, document: Document, rank: int) -> None:
        """Name a removed document."""
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = (self.folder / f"{rank:05d}.jsonl").open("w", encoding="utf-8")
        self.count += 1
        self._file.write(json.dumps({"document": document.id}) + "\n")


class Tally(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """The last step: what a shard kept and lost."""

    name = "tally"
    type = "books"

    def __init__(self, folder: Path, removed: Removed) -> None:
        super().__init__()
        self.folder, self.removed = folder, removed

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """See PipelineStep."""
        kept = chars_out = 0
        for document in data or ():
            kept += 1
            chars_out += len(document.text)
            yield document
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {"kept": kept, "removed": self.removed.count, "chars_out": chars_out}
        part = self.folder / f"{rank:05d}.part"
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(part.with_suffix(".json"))


class Clusters(MinhashDedupCluster):  # type: ignore[misc]  # datatrove has no types
    """Datatrove's step, of this module so that a worker process that loads it silences the bar as well."""


def staging(books: Path) -> PipelineStep:
    """The writer at the end of the cleaning: documents as they are, for the stages below."""
    return LeanJsonl(str(cleaned(books)), compression=None, adapter=_row)


def cleaned(books: Path) -> Path:
    """Where cleaned documents wait."""
    return books / "dedup" / "cleaned"


def stages(
    books: Path, shards: int, final: PipelineStep, settings: ExecutorSettings, first: Any = None, check: bool = True
) -> list[Any]:
    """The four executors in order. `first`: the one they wait for, where a cluster's scheduler starts them."""
    home = books / "dedup"
    signatures, pairs, clusters = (str(home / name) for name in ("signatures", "pairs", "clusters"))
    signature = MinhashDedupSignature(signatures, CONFIG)
    signature.word_tokenizer = Words()
    removed = Removed(home / "removed")
    last = [Staged(cleaned(books)), MinhashDedupFilter(clusters, exclusion_writer=removed), final]
    work: list[tuple[str, list[Any], int]] = [
        ("signatures", [Staged(cleaned(books)), signature], shards),
        ("pairs", [MinhashDedupBuckets(signatures, pairs, config=CONFIG)], CONFIG.num_buckets),
        ("clusters", [Clusters(pairs, clusters, config=CONFIG, save_cluster_id=True)], 1),
        ("filter", [*last, Tally(home / "counts", removed)], shards),
    ]
    made: list[Any] = []
    for name, pipeline, tasks in work:
        before = made[-1] if made else first
        made.append(_built(settings, pipeline, tasks, home, name, before, check))
    return made


def _built(
    settings: ExecutorSettings, pipeline: list[Any], tasks: int, home: Path, name: str, before: Any, check: bool
) -> Any:
    return executors.build(settings, pipeline, tasks, home / "logs" / name, before, f"nightshift-{name}", check)


def finished(books: Path) -> Deduped | None:
    """The result of a run that got to its end, or None."""
    path = books / "dedup" / "done.json"
    return Deduped(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def finish(books: Path) -> Deduped:
    """Add up, write it down, and remove what only the stages needed."""
    home = books / "dedup"
    counts = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((home / "counts").glob("*.json"))]
    total = {name: sum(each[name] for each in counts) for name in ("removed", "kept", "chars_out")}
    done = Deduped(clusters=_clusters(home / "clusters"), **total)
    part = home / "done.part"
    part.write_text(json.dumps(asdict(done)), encoding="utf-8")
    part.replace(home / "done.json")
    for name in ("cleaned", "signatures", "pairs"):
        shutil.rmtree(home / name, ignore_errors=True)
    return done


def _clusters(folder: Path) -> int:
    """Clusters are numbered from 0 on; a file holds pairs (document, cluster)."""
    most = -1
    for path in folder.glob("*.clusters"):
        most = max(most, int(np.fromfile(path, dtype="<u4").reshape(-1, 2)[:, 1].max(initial=0)))
    return most + 1


def _row(writer: Any, document: Document) -> dict[str, Any]:
    return {"id": document.id, "text": document.text, "metadata": plain(document.metadata)}
