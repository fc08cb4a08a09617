"""The baseline: the best of some random draws. Not a search."""

import itertools
import random


def smallest(points: list[tuple[float, float]]) -> float:
    """The area of the smallest triangle among the points, relative to the whole triangle."""
    return min(
        abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
        for (ax, ay), (bx, by), (cx, cy) in itertools.combinations(points, 3)
    )


def solve(n: int, seed: int, cpu_s: float) -> list[tuple[float, float]]:
    """n points in the triangle with corners (0, 0), (1, 0), (0, 1)."""
    rng = random.Random(seed)
    best: list[tuple[float, float]] = []
    for _ in range(50):
        draw = []
        for _ in range(n):
            x, y = rng.random(), rng.random()
            draw.append((x, y) if x + y <= 1 else (1 - x, 1 - y))
        if not best or smallest(draw) > smallest(best):
            best = draw
    return best
