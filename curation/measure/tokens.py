"""F1 of kept tokens against the hidden truth, with bootstrap intervals over documents, paired where two are compared.

Tokens are words and single signs; white space does not count. Precision: how much of what was kept is in the truth.
Recall: how much of the truth was kept. Both count tokens over all documents, so long documents weigh more.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.referee import PLACEHOLDER

TOKEN = re.compile(r"\w+|[^\w\s]")
#: Typographic signs count as their plain form: the truth does not say which of the two a cleaner should write.
PLAIN = str.maketrans({
    "’": "'", "‘": "'", "“": '"', "”": '"', "—": "-", "–": "-", "\xad": None, "\u200b": None, "\ufeff": None,
})  # fmt: skip
RESAMPLES = 400
Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its standard error and the ends of its 95% interval."""

    value: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Kept:
    """Token counts per document, in the order of the documents: right (in both), kept, true."""

    right_D: Counts
    kept_D: Counts
    true_D: Counts

    @property
    def f1(self) -> float:
        """2 x right / (kept + true)."""
        return float(_f1(self.right_D.sum(), self.kept_D.sum(), self.true_D.sum()))

    @property
    def precision(self) -> float:
        """Right / kept; 1 if nothing was kept."""
        return float(self.right_D.sum() / self.kept_D.sum()) if self.kept_D.sum() else 1.0

    @property
    def recall(self) -> float:
        """Right / true."""
        return float(self.right_D.sum() / max(1.0, self.true_D.sum()))

    def subset(self, chosen: Sequence[int]) -> Kept:
        """The same for some of the documents."""
        at = np.asarray(chosen, dtype=np.intp)
        return Kept(self.right_D[at], self.kept_D[at], self.true_D[at])


def tokens(text: str) -> list[str]:
    """Words and signs.

    >>> tokens("Don’t  stop.")
    ['Don', "'", 't', 'stop', '.']
    """
    return TOKEN.findall(unicodedata.normalize("NFC", PLACEHOLDER.sub(" ", text)).translate(PLAIN))


def kept(cleaned: Sequence[str | None], truths: Sequence[str]) -> Kept:
    """Counts over all documents; a dropped document keeps nothing."""
    rows = [
        _row(Counter(tokens(text or "")), Counter(tokens(truth))) for text, truth in zip(cleaned, truths, strict=True)
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return Kept(table[:, 0], table[:, 1], table[:, 2])


def estimate(one: Kept) -> Estimate:
    """F1 with its interval."""
    return _summary(one.f1, _resampled(one, _weights(len(one.right_D))))


def difference(one: Kept, other: Kept) -> Estimate:
    """F1 of one minus F1 of the other, on the same resampled documents."""
    weights = _weights(len(one.right_D))
    return _summary(one.f1 - other.f1, _resampled(one, weights) - _resampled(other, weights))


def mean(values: Sequence[float]) -> Estimate:
    """A mean with its interval, over independent values."""
    table = np.asarray(values, dtype=np.float64)
    weights = _weights(len(table))
    return _summary(float(table.mean()), weights @ table / len(table))


def _row(output: Counter[str], truth: Counter[str]) -> tuple[int, int, int]:
    return (output & truth).total(), output.total(), truth.total()


def _f1(right: Counts | float, kept_: Counts | float, true: Counts | float) -> Counts:
    return np.asarray(2.0 * right / np.maximum(kept_ + true, 1.0))


def _weights(documents: int) -> Counts:
    """How often each document is drawn in each resample; the same for every strategy, hence paired."""
    rng = np.random.default_rng(documents)
    return rng.multinomial(documents, np.full(documents, 1.0 / documents), RESAMPLES).astype(np.float64)


def _resampled(one: Kept, weights: Counts) -> Counts:
    return _f1(weights @ one.right_D, weights @ one.kept_D, weights @ one.true_D)


def _summary(value: float, resampled: Counts) -> Estimate:
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Estimate(value, float(resampled.std(ddof=1)), float(low), float(high))
