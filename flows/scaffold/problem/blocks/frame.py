"""The program around the blocks: the line in braces is replaced by the chosen functions, which use these imports."""

from __future__ import annotations

import math  # noqa: F401
import random
from typing import Annotated  # noqa: F401

from blocks.improve import push_apart as improve
from blocks.start import uniform as start

# {blocks}


def solve(n: int, seed: int) -> list[list[float]]:
    """n points in the unit square."""
    rng = random.Random(seed)
    return improve(start(n, rng), rng)
