"""Builds the corpus and keeps it as a file: documents with noise and hidden truth, and held-out clean texts.

The file is a cache under the state folder, keyed by everything that it depends on. It stays in trusted code: a
strategy's process gets the noisy text and its category, nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from random import Random

from cognition.records import MachineFault
from curation.corpus.document import Noisy, Recipe, Spike, spoil
from curation.corpus.real_text import Passage, passages
from curation.labels import Category, Quality

BUILD = 1  # raised whenever the code here or the families change what comes out
HELD_OUT = 150


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents to clean and held-out clean texts, with a fingerprint of all of it.

    Real documents have no truth of their own (`truth` is empty): there `spikes` are known passages among their lines.
    """

    documents: tuple[Noisy, ...]
    held_out: tuple[str, ...]
    fingerprint: str
    spikes: tuple[Spike, ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """The documents of one category and quality; None: of all."""

    category: Category | None = None
    quality: Quality | None = None

    @property
    def key(self) -> list[str | None]:
        """Part of a cache's key; nothing where nothing is chosen, so that older caches stay good."""
        return [self.category, self.quality] if self.category or self.quality else []


ALL = Chosen()


def folder() -> Path:
    """Where corpora are cached: in the state folder, whose default is `.nightshift` here."""
    return Path(os.environ.get("NIGHTSHIFT_HOME", ".nightshift")).expanduser().resolve() / "cache" / "curation"


@lru_cache(maxsize=16)
def development(documents: int, seed: int, chosen: Chosen = ALL) -> Corpus:
    """The corpus that fitness is measured on."""
    from curation.corpus.noise import DEVELOPMENT

    return _built("development", documents, seed, DEVELOPMENT, chosen)


@lru_cache(maxsize=16)
def test(documents: int, seed: int, chosen: Chosen = ALL) -> Corpus:  # noqa: PT028 - no test of pytest's
    """The corpus of the hidden families, for finalists."""
    from curation.corpus.hidden import HIDDEN

    return _built("test", documents, seed, HIDDEN, chosen)


def _built(kind: str, documents: int, seed: int, recipe: Recipe, chosen: Chosen) -> Corpus:
    versions = [sys.version.split()[0], version("numpy"), version("scipy")]
    parts: list[object] = [BUILD, kind, documents, seed, versions, *chosen.key]
    name = f"{kind}-{documents}-{seed}"
    return cached(name, parts, lambda: build(kind, documents, seed, recipe, chosen))


def cached(name: str, parts: list[object], make: Callable[[], Corpus]) -> Corpus:
    """A corpus from its file, which is made if it is not there. `parts`: everything that it depends on."""
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    path = folder() / f"{name}-{key}.json"
    if not path.exists():
        _write(path, make())
    return _read(path)


def build(kind: str, documents: int, seed: int, recipe: Recipe, chosen: Chosen = ALL) -> Corpus:
    """The corpus itself. No passage serves twice: development, test, held out."""
    found = passages(seed)
    held_out, rest = found[:HELD_OUT], found[HELD_OUT:]
    half = len(rest) // 2
    pool = rest[:half] if kind == "development" else rest[half:]
    pool = tuple(passage for passage in pool if chosen.category in (None, passage.category))
    if len(pool) < documents:
        what = f"{kind} of {chosen.category}" if chosen.category else kind
        raise MachineFault(
            f"the offline corpus has {len(pool)} passages for {what}; {documents} documents were asked for: lower "
            "options.documents, or name a source of your own (options.source)"
        )
    rng = Random(f"{kind}/{seed}")
    noisy = tuple(spoil(passage, recipe, rng, chosen.quality) for passage in pool[:documents])
    return with_fingerprint(noisy, tuple(passage.text for passage in held_out[:documents]))


def example(passage: str, recipe: Recipe, seed: int) -> Noisy:
    """One document, for tests and for people."""
    return spoil(Passage(passage, "computer_science"), recipe, Random(seed))


def with_fingerprint(documents: tuple[Noisy, ...], held_out: tuple[str, ...], spikes: tuple[Spike, ...] = ()) -> Corpus:
    """The corpus of these parts."""
    parts: list[object] = [[asdict(each) for each in documents], held_out]
    parts += [[asdict(spike) for spike in spikes]] if spikes else []
    content = json.dumps(parts, sort_keys=True)
    return Corpus(documents, held_out, hashlib.sha256(content.encode()).hexdigest()[:12], spikes)


def _write(path: Path, corpus: Corpus) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    content = {
        "documents": [asdict(each) for each in corpus.documents],
        "held_out": corpus.held_out,
        "spikes": [asdict(each) for each in corpus.spikes],
    }
    part.write_text(json.dumps(content), encoding="utf-8")
    part.replace(path)


def _read(path: Path) -> Corpus:
    content = json.loads(path.read_text(encoding="utf-8"))
    documents = tuple(
        Noisy(**{**each, "private": tuple(each["private"]), "families": tuple(each["families"])})
        for each in content["documents"]
    )
    spikes = tuple(Spike(**each) for each in content["spikes"]) if "spikes" in content else ()  # older caches
    return with_fingerprint(documents, tuple(content["held_out"]), spikes)
