"""AUROC, AUPRC, F1 and MCC, from labels and scores alone. Pure; ties count half, as in scikit-learn.

A measure that needs both labels raises OneClass where there is only one: there is no number for that.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class OneClass(ValueError):
    """All labels are equal."""


def auroc(label_P: Labels, score_P: Floats) -> float:
    """The chance that a positive pair has a higher score than a negative one.

    >>> auroc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    positives, negatives = _counts(label_P)
    _, place_P, count_T = np.unique(score_P, return_inverse=True, return_counts=True)
    last_T = np.cumsum(count_T)
    rank_P = (last_T - 0.5 * (count_T - 1))[place_P]
    return float((rank_P[label_P == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auprc(label_P: Labels, score_P: Floats) -> float:
    """Average precision: precision at each threshold, weighted by what it adds to recall.

    >>> round(auprc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])), 4)
    0.8333
    """
    positives, _ = _counts(label_P)
    hits_T, shown_T, _ = _steps(label_P, score_P)
    gained_T = np.diff(hits_T, prepend=0)
    return float((gained_T / positives * hits_T / shown_T).sum())


def f1(label_P: Labels, said_P: NDArray[np.bool_]) -> float:
    """Twice the hits over all that is positive and all that is called so. 0 without a hit."""
    _counts(label_P)
    hits = int(said_P[label_P == 1].sum())
    return 2.0 * hits / (int(label_P.sum()) + int(said_P.sum()))


def mcc(label_P: Labels, said_P: NDArray[np.bool_]) -> float:
    """Matthews correlation. 0 where all pairs are called the same, as is usual: such a call says nothing."""
    positives, negatives = _counts(label_P)
    hits, false = int(said_P[label_P == 1].sum()), int(said_P[label_P == 0].sum())
    misses, right = positives - hits, negatives - false
    called, not_called = hits + false, misses + right
    if not called or not not_called:
        return 0.0
    return (hits * right - false * misses) / math.sqrt(called * not_called * positives * negatives)


def best_threshold(label_P: Labels, score_P: Floats) -> float:
    """The score from which on a pair is called positive so that F1 is highest; used on the set to choose by only."""
    positives, _ = _counts(label_P)
    hits_T, shown_T, score_T = _steps(label_P, score_P)
    return float(score_T[np.argmax(2.0 * hits_T / (positives + shown_T))])


def _steps(label_P: Labels, score_P: Floats) -> tuple[Floats, Floats, Floats]:
    """At each distinct score from the top: positives so far, pairs so far, the score."""
    order = np.argsort(-score_P, kind="stable")
    ends = np.flatnonzero(np.diff(score_P[order], append=-np.inf))
    hits = np.cumsum(label_P[order])[ends]
    return hits.astype(np.float64), (ends + 1).astype(np.float64), score_P[order][ends]


def _counts(label_P: Labels) -> tuple[int, int]:
    positives = int(label_P.sum())
    if positives in (0, len(label_P)):
        raise OneClass(f"all {len(label_P)} labels are equal")
    return positives, len(label_P) - positives
