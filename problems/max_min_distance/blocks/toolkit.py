"""What the blocks share: the clock, squared distances of all pairs, and the ratio."""

from __future__ import annotations

import time
from typing import Annotated  # the blocks use it

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog, minimize

__all__ = ["Annotated", "Array", "Clock", "linprog", "minimize", "np", "pairs", "ratio", "squares"]

Array = NDArray[np.float64]  # points: (n, dimension)


class Clock:
    """CPU time that is left."""

    def __init__(self, seconds: float) -> None:
        self.end = time.process_time() + seconds

    def running(self) -> bool:
        """Whether there is some."""
        return time.process_time() < self.end


def pairs(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All pairs of n points, as two arrays of indices."""
    return np.triu_indices(n, 1)


def squares(points: Array) -> Array:
    """The squared distance of each pair."""
    first, second = pairs(len(points))
    found: Array = ((points[first] - points[second]) ** 2).sum(axis=1)
    return found


def ratio(points: Array) -> float:
    """The squared ratio of the largest to the smallest distance."""
    found = squares(points)
    return float(found.max() / max(found.min(), 1e-300))
