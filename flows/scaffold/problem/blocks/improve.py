"""Slot `improve`: how the points get away from each other. `improve(points, rng) -> points`."""

from __future__ import annotations

import math
import random
from typing import Annotated


def leave(points: list[list[float]], rng: random.Random) -> list[list[float]]:
    """Leave the points where they are.

    The control: what an improvement has to beat.
    """
    return points


def push_apart(
    points: list[list[float]],
    rng: random.Random,
    *,
    steps: Annotated[int, (10, 400)] = 100,
    pace: Annotated[float, (0.005, 0.2), "log"] = 0.05,
) -> list[list[float]]:
    """Each step moves every point away from its nearest neighbour, less and less far.

    Simple and quick; it stops at the first arrangement in which all push against each other.
    """
    for step in range(steps):
        reach = pace * (1.0 - step / steps)
        for index, (x, y) in enumerate(points):
            others = [other for position, other in enumerate(points) if position != index]
            near_x, near_y = min(others, key=lambda other: math.dist((x, y), other))
            away = math.dist((x, y), (near_x, near_y)) or 1.0
            points[index] = [
                min(1.0, max(0.0, x + reach * (x - near_x) / away)),
                min(1.0, max(0.0, y + reach * (y - near_y) / away)),
            ]
    return points


def accept_better(
    points: list[list[float]],
    rng: random.Random,
    *,
    tries: Annotated[int, (100, 4000), "log"] = 1000,
    reach: Annotated[float, (0.01, 0.5), "log"] = 0.1,
) -> list[list[float]]:
    """Move one point at random and keep the move if its own nearest neighbour is farther away.

    Finds its way slowly, and needs a reach that shrinks.
    """
    for number in range(tries):
        index = rng.randrange(len(points))
        scale = reach * (1.0 - number / tries)
        moved = [min(1.0, max(0.0, value + rng.gauss(0.0, scale))) for value in points[index]]
        others = [other for position, other in enumerate(points) if position != index]
        if min(math.dist(moved, other) for other in others) > min(math.dist(points[index], other) for other in others):
            points[index] = moved
    return points
