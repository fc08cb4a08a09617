"""Where documents of a category and quality come from: configuration, and nothing of any data set itself.

The paper cleans Nemotron-CC by category and quality (section 4.2); no public copy carries these labels. A source is
therefore a folder (local, or anything fsspec reads) with a pattern, the columns to read, and, where labels are missing,
the category that a keyword score gives a document. Hub sources are named here and need the network, an account and
their licence; they are read by the same reader as local files of their schema, which is what the tests use.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from curation.labels import Category, Quality


class SourceSettings(BaseModel):
    """One source of documents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: str = Field(description="A folder, or an fsspec URL such as hf://datasets/OWNER/NAME")
    pattern: str = Field("**/*.parquet", description="Which files under it")
    text_column: str = "text"
    id_column: str = "id"
    category: Category | None = Field(None, description="None: classify each document by keywords")
    quality: Quality | None = None


#: What is known of public sources. Gated, licensed for model training: read at the user's own account.
HUB: Mapping[str, SourceSettings] = {
    "nemotron-cc-math-3": SourceSettings(
        root="hf://datasets/nvidia/Nemotron-CC-Math-v1", pattern="3/*.parquet", category="mathematics", quality="low"
    ),
    "nemotron-cc-math-4plus": SourceSettings(
        root="hf://datasets/nvidia/Nemotron-CC-Math-v1",
        pattern="4plus/*.parquet",
        category="mathematics",
        quality="high",
    ),
    "nemotron-cc": SourceSettings(
        root="https://data.commoncrawl.org/contrib/Nemotron/Nemotron-CC", pattern="**/*.jsonl.zstd"
    ),
}

#: Seed words of each category. A document's score is the share of its words that are among them.
SEED_WORDS: Mapping[Category, frozenset[str]] = {
    "mathematics": frozenset(
        [
            "theorem",
            "proof",
            "lemma",
            "equation",
            "integral",
            "matrix",
            "polynomial",
            "algebra",
            "function",
            "derivative",
            "vector",
            "probability",
        ]
    ),
    "computer_science": frozenset(
        [
            "algorithm",
            "program",
            "code",
            "compiler",
            "function",
            "class",
            "python",
            "software",
            "memory",
            "data",
            "network",
            "file",
            "object",
            "thread",
        ]
    ),
    "medicine": frozenset(
        [
            "patient",
            "patients",
            "clinical",
            "disease",
            "treatment",
            "dose",
            "therapy",
            "symptoms",
            "diagnosis",
            "infection",
            "blood",
            "drug",
            "trial",
        ]
    ),
    "other_stem": frozenset(
        [
            "energy",
            "molecule",
            "reaction",
            "particle",
            "temperature",
            "cell",
            "species",
            "physics",
            "chemical",
            "force",
            "galaxy",
            "protein",
            "orbit",
        ]
    ),
}
FEWEST_SHARE = 0.004  # below it no category is given


@dataclass(frozen=True, slots=True)
class Sampled:
    """A document of a source, with its labels where they are known."""

    id: str
    text: str
    category: Category | None
    quality: Quality | None


def category_of(text: str) -> Category | None:
    """The category whose seed words are most frequent; None if hardly any is there.

    >>> category_of("The patient received a second dose; clinical symptoms of the infection improved.")
    'medicine'
    """
    words = re.findall(r"[a-z]+", text.lower())
    shares = {name: sum(word in seeds for word in words) / max(1, len(words)) for name, seeds in SEED_WORDS.items()}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= FEWEST_SHARE else None


def sample(source: SourceSettings, most: int) -> list[Sampled]:
    """The first documents of a source, in the order of its files. Unreadable ones are passed over and not counted."""
    return list(itertools.islice(_documents(source), most))


def sample_all(source: SourceSettings) -> Iterator[str]:
    """The texts of all documents of a source."""
    return (document.text for document in _documents(source))


def _documents(source: SourceSettings) -> Iterator[Sampled]:
    from datatrove.io import get_datafolder

    from curation.scale.ledger import Ledger
    from curation.scale.readers import RecordingReader

    found = get_datafolder(source.root).list_files(glob_pattern=source.pattern)
    files = [name for name in found if not name.startswith(".")]  # such as the books of an output of `apply`
    with tempfile.TemporaryDirectory() as books:
        paths = Path(books) / "paths.txt"
        paths.write_text("".join(f"{name}\n" for name in files), encoding="utf-8")
        ledger = Ledger(Path(books))
        reader = RecordingReader(source.root, str(paths), ledger, source.text_column, source.id_column)
        try:
            yield from (_labelled(document, source) for document in reader.run())
        finally:
            ledger.finish()


def _labelled(document: Any, source: SourceSettings) -> Sampled:
    return Sampled(document.id, document.text, source.category or category_of(document.text), source.quality)
