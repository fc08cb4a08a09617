"""Slot `improve`: a rough ascent from a start. `improve(points, rng, clock) -> (n, 2)`."""

from __future__ import annotations

from typing import Annotated

from problems.heilbronn_triangle.blocks.toolkit import Clock, Points, folded, np, smallest, triples


def as_it_is(points: Points, rng: np.random.Generator, clock: Clock) -> Points:
    """Leave the start to the polish.

    More starts in the same time, each from worse points.
    """
    return points


def best_of_draws(
    points: Points, rng: np.random.Generator, clock: Clock, *, draws: Annotated[int, (10, 1000), "log"] = 100
) -> Points:
    """Shift all points a little, many times, and go on from the best draw.

    Sorts out the worst starts, cheaply.
    """
    which = triples(len(points))
    tried = [points, *(folded(points + rng.normal(0.0, 0.1, points.shape)) for _ in range(draws))]
    return max(tried, key=lambda one: smallest(one, which))


def move_one(
    points: Points,
    rng: np.random.Generator,
    clock: Clock,
    *,
    tries: Annotated[int, (200, 20000), "log"] = 3000,
    reach: Annotated[float, (0.01, 0.5), "log"] = 0.1,
) -> Points:
    """Move one point at random and keep the move unless the smallest triangle shrinks.

    Simple; gains slowly once several triangles are equally small, because one point rarely helps them all.
    """
    which = triples(len(points))
    value = smallest(points, which)
    for number in range(tries):
        if not clock.running():
            break
        moved = points.copy()
        moved[rng.integers(len(points))] += rng.normal(0.0, reach * (1.0 - number / tries), 2)
        moved = folded(moved)
        if (other := smallest(moved, which)) >= value:
            points, value = moved, other
    return points
