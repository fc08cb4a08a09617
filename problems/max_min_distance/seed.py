"""The baseline: points of a square (cubic) grid. Not a search."""

import itertools
import math


def solve(n: int, dimension: int, seed: int, cpu_s: float) -> list[tuple[int, ...]]:
    """The first n points of the smallest grid that has so many."""
    side = math.ceil(round(n ** (1 / dimension), 9))
    return list(itertools.product(range(side), repeat=dimension))[:n]
