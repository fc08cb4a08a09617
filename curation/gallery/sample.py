"""Documents for the gallery: a random sample of a data set's first ones, or of the development corpus."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from curation.cleaning import Source
from curation.corpus import build

CORPUS = "development"
LOOKED_AT = 20_000  # documents of a data set among which the sample is drawn


@dataclass(frozen=True, slots=True)
class Sample:
    """Documents by their names, in the order of the data; how many were looked at, and how many could not be read."""

    names: tuple[str, ...]
    sources: tuple[Source, ...]
    seen: int
    unreadable: int = 0


def of_corpus(most: int, seed: int) -> Sample:
    """Of the corpus that fitness is measured on. Its truth stays here."""
    documents = build.development(500, 0).documents
    chosen = sorted(Random(seed).sample(range(len(documents)), min(most, len(documents))))
    sources = [Source(documents[at].text, _labels(documents[at])) for at in chosen]
    return Sample(tuple(f"{CORPUS}/{at}" for at in chosen), tuple(sources), len(documents))


def _labels(document: Any) -> dict[str, Any]:
    return {"category": document.category, "quality": document.quality}


def of_files(source: Path, most: int, seed: int, text_key: str = "text", id_key: str = "id") -> Sample:
    """Of a folder or file, read as `apply` reads it. Raises ApplyError."""
    from curation.scale.apply import inputs
    from curation.scale.ledger import Ledger
    from curation.scale.readers import RecordingReader

    files = inputs(source)
    root = source if source.is_dir() else source.parent
    with tempfile.TemporaryDirectory() as books:
        paths = Path(books) / "paths.txt"
        paths.write_text("".join(f"{name}\n" for name in files), encoding="utf-8")
        ledger = Ledger(Path(books))
        reader = RecordingReader(str(root), str(paths), ledger, text_key, id_key)
        try:
            chosen, seen = drawn(reader.run(), most, Random(seed))
        finally:
            ledger.finish()
        unreadable = sum(ledger.counts.faults.values()) + ledger.counts.unreadable_files
    from curation.pipeline import shown

    return Sample(
        tuple(document.id for document in chosen),
        tuple(Source(document.text, shown(document.metadata)) for document in chosen),
        seen,
        unreadable,
    )


def drawn(documents: Iterable[Any], most: int, rng: Random) -> tuple[list[Any], int]:
    """So many of the first LOOKED_AT documents, each as likely as any other, in their order; and how many came."""
    kept: list[tuple[int, Any]] = []
    count = 0
    for document in documents:
        if len(kept) < most:
            kept.append((count, document))
        elif (place := rng.randrange(count + 1)) < most:
            kept[place] = (count, document)
        count += 1
        if count == LOOKED_AT:
            break
    return [document for _, document in sorted(kept, key=lambda pair: pair[0])], count
