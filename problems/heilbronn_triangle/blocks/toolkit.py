"""What the blocks share: the clock, signed areas of all triples, and their gradients."""

from __future__ import annotations

import itertools
import time
from typing import Annotated  # the blocks use it

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

__all__ = [
    "Annotated",
    "Clock",
    "Points",
    "Triples",
    "areas",
    "folded",
    "gradients",
    "linprog",
    "np",
    "smallest",
    "triples",
]

Points = NDArray[np.float64]  # (n, 2), in the triangle x >= 0, y >= 0, x + y <= 1
Triples = NDArray[np.int64]  # (m, 3)


class Clock:
    """CPU time that is left."""

    def __init__(self, seconds: float) -> None:
        self.end = time.process_time() + seconds

    def running(self) -> bool:
        """Whether there is some."""
        return time.process_time() < self.end


def triples(n: int) -> Triples:
    """All triples of n points."""
    return np.array(list(itertools.combinations(range(n), 3)), dtype=np.int64)


def areas(points: Points, which: Triples) -> NDArray[np.float64]:
    """Signed areas, relative to the triangle's."""
    a, b, c = (points[which[:, corner]] for corner in range(3))
    signed: NDArray[np.float64] = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    return signed


def smallest(points: Points, which: Triples) -> float:
    """The area of the smallest triangle."""
    return float(np.min(np.abs(areas(points, which))))


def gradients(points: Points, which: Triples) -> NDArray[np.float64]:
    """(m, 2n): how each signed area changes with x_0, y_0, x_1, y_1, ..."""
    rows = np.arange(len(which))
    found = np.zeros((len(which), 2 * len(points)))
    for corner in range(3):
        following, last = points[which[:, (corner + 1) % 3]], points[which[:, (corner + 2) % 3]]
        found[rows, 2 * which[:, corner]] = following[:, 1] - last[:, 1]
        found[rows, 2 * which[:, corner] + 1] = last[:, 0] - following[:, 0]
    return found


def folded(points: Points) -> Points:
    """Points outside are brought back: to the axes, then onto the slanted side."""
    inside = np.maximum(points, 0.0)
    excess: NDArray[np.float64] = np.maximum(inside.sum(axis=1, keepdims=True), 1.0)
    return np.asarray(inside / excess, dtype=np.float64)
