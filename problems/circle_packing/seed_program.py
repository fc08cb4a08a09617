"""The baseline: equal circles on a staggered grid, the best of a few row counts. Not a search."""

import math


def pack(n: int, width: float, height: float, seed: int, cpu_s: float) -> list[tuple[float, float, float]]:
    """The best of all staggered grids with equal circles."""
    best: list[tuple[float, float, float]] = []
    for rows in range(1, n + 1):
        columns = math.ceil(n / rows)
        shift = 0.5 if rows > 1 else 0.0
        dx = width / (columns + shift)
        dy = height / rows
        radius = 0.4999999 * min(dx, dy if rows > 1 else height, math.hypot(0.5 * dx, dy) if rows > 1 else dx)
        circles = [
            ((column + 0.5 + shift * (row % 2)) * dx, (row + 0.5) * dy, radius)
            for row in range(rows)
            for column in range(columns)
        ][:n]
        if not best or radius > best[0][2]:
            best = circles
    return best
