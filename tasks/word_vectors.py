"""Texts as weighted means of word vectors, from a file in word2vec's or GloVe's text format, plain or .gz. numpy only.

A word counts less the more common it is: a / (a + p), the weights of smooth inverse frequency (Arora, Liang and Ma,
ICLR 2017), with a = 0.001. How common a word is comes from its place in the file, which such files are sorted by. So a
text's vector never changes with the base; frequencies of the items themselves, and the first principal component taken
away, would change it, and found fewer known items (docs/cognition.md). Words that the file does not have are left out.
A text without any other, or whose words' vectors are zero or cancel out, gets a direction made from their letters, so
that every item has a vector.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from cognition.search import words
from tasks.llm import ModelMisconfigured

Floats = NDArray[np.float32]

#: Smooth inverse frequency's constant; 0.0001 to 0.001 in the paper.
SMOOTHING = 1e-3
#: The most frequent words of a file; the rest is not read. With 300 dimensions that is 600 MB.
MAX_WORDS = 500_000
MAX_DIMENSION = 4_096
#: No honest line is longer.
MAX_LINE_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class WordVectors:
    """See tasks.embedding.Source. Words are in the order of the file: the most frequent first."""

    place: dict[str, int]  # word -> row
    matrix_WD: Floats  # W: words, D: dimension

    @staticmethod
    def of_file(path: Path) -> WordVectors:
        """Read a file. Raises ModelMisconfigured, naming the line that is wrong."""
        try:
            with _opened(path) as lines:
                return _read(path, lines)
        except (OSError, EOFError) as error:  # EOFError: a .gz that ends early
            raise ModelMisconfigured(f"retrieve.embedding.path: {path} cannot be read: {error}") from error

    def numbers(self, texts: Sequence[str]) -> Sequence[object]:
        """See Source."""
        return [self._mean_D(words(text)) for text in texts]

    def _mean_D(self, said: Sequence[str]) -> Floats:
        count, dimension = self.matrix_WD.shape
        known = [self.place[word] for word in said if word in self.place]
        weighted = [np.float32(weight(at, count)) * self.matrix_WD[at] for at in known]
        if weighted and np.any(mean_D := _mean(weighted)):
            return mean_D
        return _mean([_own_direction(word, dimension) for word in said or [""]])


def weight(rank: int, count: int) -> float:
    """How much the word at that place (0: the most frequent) of so many counts; frequencies after Zipf's law.

    >>> round(weight(0, 100_000), 3), round(weight(1_000, 100_000), 3), round(weight(99_999, 100_000), 3)
    (0.012, 0.924, 0.999)
    """
    share = 1.0 / ((rank + 1) * (np.log(count) + np.euler_gamma))
    return float(SMOOTHING / (SMOOTHING + share))


def _mean(vectors: Sequence[Floats]) -> Floats:
    mean_D: Floats = np.mean(vectors, axis=0, dtype=np.float32)
    return mean_D


@lru_cache(maxsize=50_000)
def _own_direction(word: str, dimension: int) -> Floats:
    """A unit vector that depends on the word's letters alone."""
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    drawn_D = np.random.default_rng(seed).standard_normal(dimension)
    return np.asarray(drawn_D / np.linalg.norm(drawn_D), dtype=np.float32)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as start:
        is_gzip = start.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if is_gzip else path.open("rb") as lines:
        yield lines  # type: ignore[misc]  # GzipFile reads lines as a file does


def _read(path: Path, lines: IO[bytes]) -> WordVectors:
    place, rows = dict[str, int](), list[Floats]()
    for number, line in enumerate(iter(lambda: lines.readline(MAX_LINE_BYTES), b""), start=1):
        if number == 1 and _is_header(line):
            continue
        word, vector_D = _parsed(path, number, line)
        if rows and vector_D.size != rows[0].size:
            raise _wrong(path, number, f"{vector_D.size} numbers where the lines before have {rows[0].size}")
        if word not in place:  # spellings that differ in case alone: the more frequent one
            place[word] = len(place)
            rows.append(vector_D)
        if len(place) == MAX_WORDS:
            break
    if not rows:
        raise ModelMisconfigured(f"retrieve.embedding.path: {path} has no word vectors")
    return WordVectors(place, _of_length_one(np.stack(rows)))


def _is_header(line: bytes) -> bool:
    """word2vec begins with how many words there are and of how many numbers; no word has a single one."""
    return len(line.split()) == 2 and all(part.isdigit() for part in line.split())


def _parsed(path: Path, number: int, line: bytes) -> tuple[str, Floats]:
    name, _, rest = line.strip().partition(b" ")
    try:
        vector_D = np.array(rest.split(), dtype=np.float32)
    except ValueError as error:
        raise _wrong(path, number, "a number is none") from error
    if not 1 < vector_D.size <= MAX_DIMENSION or not np.isfinite(vector_D).all():
        raise _wrong(path, number, f"expected a word and 2 to {MAX_DIMENSION} finite numbers")
    return name.decode("utf-8", "replace").lower(), vector_D


def _of_length_one(matrix_WD: Floats) -> Floats:
    lengths_W1 = np.linalg.norm(matrix_WD.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(matrix_WD / np.where(lengths_W1 > 0, lengths_W1, 1.0), dtype=np.float32)


def _wrong(path: Path, number: int, what: str) -> ModelMisconfigured:
    return ModelMisconfigured(
        f"retrieve.embedding.path: {path}, line {number}: {what}; wanted: word vectors as text, one word a line"
    )
