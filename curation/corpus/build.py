"""Builds the corpus and keeps it as a file: documents with noise and hidden truth, and held-out clean texts.

The file is a cache under the state folder, keyed by everything that it depends on. It stays in trusted code: a
strategy's process gets the noisy text and its category, nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from random import Random

from curation.corpus.document import Noisy, Recipe, spoil
from curation.corpus.real_text import Passage, passages

BUILD = 1  # raised whenever the code here or the families change what comes out
HELD_OUT = 150


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents to clean and held-out clean texts, with a fingerprint of both."""

    documents: tuple[Noisy, ...]
    held_out: tuple[str, ...]
    fingerprint: str


def folder() -> Path:
    """Where corpora are cached: in the state folder, whose default is `.nightshift` here."""
    return Path(os.environ.get("NIGHTSHIFT_HOME", ".nightshift")).expanduser().resolve() / "cache" / "curation"


@lru_cache(maxsize=8)
def development(documents: int, seed: int) -> Corpus:
    """The corpus that fitness is measured on."""
    from curation.corpus.noise import DEVELOPMENT

    return _cached("development", documents, seed, DEVELOPMENT)


@lru_cache(maxsize=8)
def test(documents: int, seed: int) -> Corpus:
    """The corpus of the hidden families, for finalists."""
    from curation.corpus.hidden import HIDDEN

    return _cached("test", documents, seed, HIDDEN)


def _cached(kind: str, documents: int, seed: int, recipe: Recipe) -> Corpus:
    versions = [sys.version.split()[0], version("numpy"), version("scipy")]
    key = hashlib.sha256(json.dumps([BUILD, kind, documents, seed, versions]).encode()).hexdigest()[:12]
    path = folder() / f"{kind}-{documents}-{seed}-{key}.json"
    if not path.exists():
        _write(path, build(kind, documents, seed, recipe))
    return _read(path)


def build(kind: str, documents: int, seed: int, recipe: Recipe) -> Corpus:
    """The corpus itself. No passage serves twice: development, test, held out."""
    found = passages(seed)
    held_out, rest = found[:HELD_OUT], found[HELD_OUT:]
    half = len(rest) // 2
    pool = rest[:half] if kind == "development" else rest[half:]
    if len(pool) < documents:
        raise ValueError(f"this machine has {len(pool)} passages for {kind}; {documents} documents were asked for")
    rng = Random(f"{kind}/{seed}")
    noisy = tuple(spoil(passage, recipe, rng) for passage in pool[:documents])
    return _with_fingerprint(noisy, tuple(passage.text for passage in held_out[:documents]))


def example(passage: str, recipe: Recipe, seed: int) -> Noisy:
    """One document, for tests and for people."""
    return spoil(Passage(passage, "computer_science"), recipe, Random(seed))


def _with_fingerprint(documents: tuple[Noisy, ...], held_out: tuple[str, ...]) -> Corpus:
    content = json.dumps([[asdict(each) for each in documents], held_out], sort_keys=True)
    return Corpus(documents, held_out, hashlib.sha256(content.encode()).hexdigest()[:12])


def _write(path: Path, corpus: Corpus) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    content = {"documents": [asdict(each) for each in corpus.documents], "held_out": corpus.held_out}
    part.write_text(json.dumps(content), encoding="utf-8")
    part.replace(path)


def _read(path: Path) -> Corpus:
    content = json.loads(path.read_text(encoding="utf-8"))
    documents = tuple(
        Noisy(**{**each, "private": tuple(each["private"]), "families": tuple(each["families"])})
        for each in content["documents"]
    )
    return _with_fingerprint(documents, tuple(content["held_out"]))
