"""Slot `start`: where the points begin. `start(n, rng) -> [[x, y], ...]`."""

from __future__ import annotations

import math
import random
from typing import Annotated


def uniform(n: int, rng: random.Random) -> list[list[float]]:
    """Points at random, each for itself.

    The plainest start; two points may fall together.
    """
    return [[rng.random(), rng.random()] for _ in range(n)]


def jittered_grid(n: int, rng: random.Random, *, jitter: Annotated[float, (0.0, 0.5)] = 0.1) -> list[list[float]]:
    """Points on a square grid, each moved a little at random.

    Starts well spread; without jitter the symmetry never breaks.
    """
    side = math.ceil(math.sqrt(n))
    cells = [(column, row) for row in range(side) for column in range(side)]
    step = 1.0 / max(1, side - 1)
    return [[step * (column + rng.uniform(-jitter, jitter)), step * (row + rng.uniform(-jitter, jitter))]
            for column, row in rng.sample(cells, n)]  # fmt: skip
