"""What the blocks share: the clock and the bound that a step function gives."""

from __future__ import annotations

import time
from typing import Annotated  # the blocks use it

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog, minimize

__all__ = ["Annotated", "Array", "Clock", "bound", "linprog", "minimize", "np"]

Array = NDArray[np.float64]  # heights: (steps,)


class Clock:
    """CPU time that is left."""

    def __init__(self, seconds: float) -> None:
        self.end = time.process_time() + seconds

    def running(self) -> bool:
        """Whether there is some."""
        return time.process_time() < self.end


def bound(heights: Array) -> float:
    """The largest value of the autoconvolution over the squared integral."""
    return float(2 * len(heights) * np.convolve(heights, heights).max() / heights.sum() ** 2)
