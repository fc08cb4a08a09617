"""Slot `start`: where the centres begin. `start(box, rng) -> points (n, 2)`."""

from __future__ import annotations

from typing import Annotated

from problems.circle_packing.blocks.toolkit import Array, Box, Rng, inside, math, np, uniform


def uniform_points(box: Box, rng: Rng) -> Array:
    """Begin with independent random centres.

    The simplest start, without any bias. Clusters and gaps are common, so most descents from it end in poor packings.
    """
    return uniform(box, rng, box.n)


def square_grid(box: Box, rng: Rng, *, jitter: Annotated[float, (0.0, 0.5)] = 0.02) -> Array:
    """Begin on a rectangular grid with a few of its places left empty.

    A symmetric grid is a saddle point: with little jitter a local method stays there.
    """
    columns = max(1, round(math.sqrt(box.n * box.width / box.height)))
    rows = math.ceil(box.n / columns)
    places = [((c + 0.5) / columns, (r + 0.5) / rows) for r in range(rows) for c in range(columns)]
    chosen = rng.permutation(len(places))[: box.n]
    points = np.array(places)[chosen] * (box.width, box.height)
    return inside(points + rng.normal(0.0, jitter * box.unit, points.shape), box)


def hexagonal_rows(
    box: Box, rng: Rng, *, jitter: Annotated[float, (0.0, 0.4)] = 0.05, row_spread: Annotated[int, (0, 2)] = 1
) -> Array:
    """Begin in staggered rows, as in the densest packing of the plane.

    The number of rows varies around the ideal one: walls favour a count that plane geometry does not.
    """
    ideal = round(math.sqrt(box.n * box.height / box.width * 2.0 / math.sqrt(3.0)))
    rows = max(1, min(box.n, ideal + int(rng.integers(-row_spread, row_spread + 1))))
    sizes = [box.n // rows + (row < box.n % rows) for row in rng.permutation(rows)]
    points = []
    for row, size in enumerate(sizes):
        shift = 0.25 if row % 2 else -0.25
        for k in range(size):
            points.append(((k + 0.5 + shift * (size > 1)) / size * box.width, (row + 0.5) / rows * box.height))
    return inside(np.array(points) + rng.normal(0.0, jitter * box.unit, (box.n, 2)), box)


def spread_points(box: Box, rng: Rng, *, trials: Annotated[int, (2, 60)] = 4) -> Array:
    """Begin with centres that keep away from each other (best of several random trials, one point at a time).

    More trials give a more even spread. Evenness saves descent time, yet large and small circles must mix in the end.
    """
    points = uniform(box, rng, 1)
    while len(points) < box.n:
        places = uniform(box, rng, trials)
        apart = places[:, None, :] - points[None, :, :]
        nearest = np.hypot(apart[..., 0], apart[..., 1]).min(axis=1)
        points = np.vstack([points, places[nearest.argmax()]])
    return points


def rings(box: Box, rng: Rng, *, turn: Annotated[float, (0.0, 1.0)] = 0.1) -> Array:
    """Begin on concentric rings around the middle.

    Good for a round container; in a rectangle it wastes the corners, which are worth a large circle each.
    """
    rank = np.arange(box.n) + 0.5
    angle = math.pi * (3.0 - math.sqrt(5.0)) * rank + turn * rng.uniform(0.0, 2.0 * math.pi)
    reach = 0.48 * np.sqrt(rank / box.n)
    points = np.column_stack([0.5 + reach * np.cos(angle), 0.5 + reach * np.sin(angle)])
    return inside(points * (box.width, box.height), box)
