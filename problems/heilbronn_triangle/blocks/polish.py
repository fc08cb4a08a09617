"""Slot `polish`: the last digits. `polish(points, rng, clock) -> (n, 2)`."""

from __future__ import annotations

from typing import Annotated

from problems.heilbronn_triangle.blocks.toolkit import (
    Clock,
    Points,
    areas,
    folded,
    gradients,
    linprog,
    np,
    smallest,
    triples,
)


def none_at_all(points: Points, rng: np.random.Generator, clock: Clock) -> Points:
    """No polish.

    The control: all time goes into rough ascents.
    """
    return points


def sequential_lp(
    points: Points,
    rng: np.random.Generator,
    clock: Clock,
    *,
    steps: Annotated[int, (10, 300), "log"] = 60,
    trust: Annotated[float, (0.005, 0.3), "log"] = 0.05,
) -> Points:
    """Move all points at once by a linear programme that raises the smallest of all linearised areas.

    Keeps each triple's orientation. Halves the allowed move when the true value does not follow; converges to a vertex
    where many triangles are equally small.
    """
    n, which, value = len(points), triples(len(points)), smallest(points, triples(len(points)))
    raise_smallest = np.append(np.zeros(2 * n), -1.0)
    slanted = np.hstack([np.kron(np.eye(n), np.ones((1, 2))), np.zeros((n, 1))])  # x + y <= 1
    for _ in range(steps):
        if trust < 1e-10 or not clock.running():
            break
        signed = areas(points, which)
        signs = np.where(signed < 0, -1.0, 1.0)
        rows = np.hstack([-signs[:, None] * gradients(points, which), np.ones((len(which), 1))])
        below = np.maximum(-points.ravel(), -trust)  # x >= 0, y >= 0
        bounds = [*((min(low, trust), trust) for low in below), (None, None)]
        done = linprog(raise_smallest, np.vstack([rows, slanted]), np.append(np.abs(signed), 1.0 - points.sum(axis=1)),
                       bounds=bounds, method="highs")  # fmt: skip
        if done.x is None:
            break
        moved = folded(points + done.x[:-1].reshape(n, 2))
        if (other := smallest(moved, which)) > value:
            points, value, trust = moved, other, min(0.3, 1.5 * trust)
        else:
            trust *= 0.4
    return points
