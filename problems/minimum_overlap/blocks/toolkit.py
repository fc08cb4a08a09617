"""What the blocks share: the clock, the overlaps at all shifts, and a function with the right integral."""

from __future__ import annotations

import time
from typing import Annotated  # the blocks use it

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog, minimize

__all__ = ["Annotated", "Array", "Clock", "linprog", "minimize", "np", "overlap", "overlaps", "settled"]

Array = NDArray[np.float64]  # heights: (steps,)


class Clock:
    """CPU time that is left."""

    def __init__(self, seconds: float) -> None:
        self.end = time.process_time() + seconds

    def running(self) -> bool:
        """Whether there is some."""
        return time.process_time() < self.end


def overlaps(heights: Array) -> Array:
    """The overlap of h with its complement at every breakpoint shift."""
    found: Array = np.convolve(heights[::-1], 1.0 - heights) * 2.0 / len(heights)
    return found


def overlap(heights: Array) -> float:
    """The largest overlap."""
    return float(overlaps(heights).max())


def settled(heights: Array) -> Array:
    """Heights in [0, 1] with mean 1/2, by scaling h or its complement."""
    heights = np.clip(heights, 0.0, 1.0)
    half, total = len(heights) / 2, heights.sum()
    scaled = heights * (half / total) if total > half else 1.0 - (1.0 - heights) * (half / (len(heights) - total))
    return np.asarray(scaled, dtype=np.float64)
