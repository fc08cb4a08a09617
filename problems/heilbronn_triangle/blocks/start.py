"""Slot `start`: where the points begin. `start(n, rng) -> (n, 2)`."""

from __future__ import annotations

from typing import Annotated

from problems.heilbronn_triangle.blocks.toolkit import Points, np


def uniform(n: int, rng: np.random.Generator) -> Points:
    """Points anywhere in the triangle, each for itself.

    The plainest start. Many draws have three points nearly on a line, which an improvement has to undo.
    """
    weights = rng.dirichlet(np.ones(3), n)
    return np.asarray(weights[:, 1:], dtype=np.float64)


def on_the_sides(
    n: int,
    rng: np.random.Generator,
    *,
    share: Annotated[float, (0.2, 0.9)] = 0.55,
    depth: Annotated[float, (0.0, 0.2)] = 0.02,
) -> Points:
    """A share of the points near the sides, taking the sides in turn; the others anywhere.

    Good arrangements have two points on each side: a third one would span an area of 0 with them.
    """
    weights = rng.dirichlet(np.ones(3), n)
    for index in range(round(share * n)):
        weights[index, index % 3] *= depth
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(weights[:, 1:], dtype=np.float64)
