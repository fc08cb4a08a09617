"""What every block may use: the box, a packing, a CPU clock, and the linear programme behind most good packings.

Lengths inside blocks are multiples of `box.unit`, the side of the square that one circle has on average, so that a
constant means the same for every number of circles and every rectangle.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog, minimize
from scipy.sparse import csr_matrix

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Rng = np.random.Generator

__all__ = [
    "Annotated", "Array", "Box", "Callable", "Clock", "Indices", "Moves", "Packing", "Rng", "best_radii", "clearance",
    "csr_matrix", "fit", "inside", "linear_step", "linprog", "math", "minimize", "np", "pairs_within", "uniform",
    "zlib",
]  # fmt: skip


class Box(NamedTuple):
    """How many circles go into which rectangle."""

    n: int
    width: float
    height: float

    @property
    def unit(self) -> float:
        """The side of the square that one circle has on average."""
        return math.sqrt(self.width * self.height / self.n)


class Packing(NamedTuple):
    """Centres (n, 2) and radii (n,)."""

    points: Array
    radii: Array

    @property
    def total(self) -> float:
        """The sum of the radii, which is to be maximised."""
        return float(self.radii.sum())


class Clock:
    """Counts CPU seconds, so that a busy machine does not change how much is tried."""

    def __init__(self, cpu_s: float) -> None:
        self.end_s = time.process_time() + cpu_s

    @property
    def running(self) -> bool:
        """Whether there is time left."""
        return time.process_time() < self.end_s


class Moves(NamedTuple):
    """The three smaller slots, as the schedule sees them."""

    start: Callable[[Box, Rng], Array]
    local: Callable[[Array, Box, Clock], Packing]
    perturb: Callable[[Packing, Box, Rng], Array]


def uniform(box: Box, rng: Rng, count: int) -> Array:
    """Random points of the rectangle, (count, 2)."""
    return rng.random((count, 2)) * (box.width, box.height)


def inside(points: Array, box: Box) -> Array:
    """The points, moved into the rectangle with a small margin to its walls."""
    margin = min(0.05 * box.unit, 0.25 * box.width, 0.25 * box.height)
    return np.clip(points, margin, (box.width - margin, box.height - margin))


def pairs_within(points: Array, reach: Array) -> tuple[Indices, Indices, Array]:
    """Pairs i < j that are nearer than reach[i] + reach[j], with their distances."""
    i, j = np.triu_indices(len(points), 1)
    apart = points[i] - points[j]
    distance = np.hypot(apart[:, 0], apart[:, 1])
    near = distance < reach[i] + reach[j]
    return i[near], j[near], distance[near]


def clearance(places: Array, packing: Packing, box: Box, without: int) -> Array:
    """For each place the radius that a circle could have there, if circle `without` were gone; negative: none."""
    apart = places[:, None, :] - packing.points[None, :, :]
    gap = np.hypot(apart[..., 0], apart[..., 1]) - packing.radii
    gap[:, without] = np.inf
    walls = np.minimum(places, (box.width, box.height) - places).min(axis=1)
    room: Array = np.minimum(gap.min(axis=1), walls)
    return room


def fit(points: Array, box: Box) -> Packing:
    """A valid packing around these centres: half the distance to the nearest neighbour, or to the nearest wall."""
    apart = points[:, None, :] - points[None, :, :]
    distance = np.hypot(apart[..., 0], apart[..., 1])
    np.fill_diagonal(distance, np.inf)
    walls = np.minimum(points, (box.width, box.height) - points).min(axis=1)
    return Packing(points, np.maximum(np.minimum(0.5 * distance.min(axis=1, initial=np.inf), walls), 1e-9))


def linear_step(packing: Packing, box: Box, trust: float) -> Packing:
    """Move each centre by at most `trust` along both axes and choose radii, by one linear programme.

    The distance of two points is a convex function of their moves, so its linearisation never promises more room
    than there is. Pairs are left out if they cannot meet: no radius grows beyond `largest`.
    """
    points, n = packing.points, box.n
    largest = np.maximum(0.75 * box.unit, packing.radii + 0.3 * box.unit)
    i, j, distance = pairs_within(points, largest + 1.5 * trust)
    toward = (points[i] - points[j]) / np.maximum(distance, 1e-12)[:, None]
    pairs, circles = np.arange(len(i)), np.arange(n)
    walls = len(i) + np.arange(4 * n)
    rows = np.concatenate([np.tile(pairs, 6), walls, walls])
    pair_columns = [2 * i, 2 * i + 1, 2 * j, 2 * j + 1, 2 * n + i, 2 * n + j]
    wall_columns = [2 * circles, 2 * circles, 2 * circles + 1, 2 * circles + 1, np.tile(2 * n + circles, 4)]
    columns = np.concatenate([*pair_columns, *wall_columns])
    one = np.ones(n)
    pair_values = [-toward[:, 0], -toward[:, 1], toward[:, 0], toward[:, 1], np.ones(2 * len(i))]
    values = np.concatenate([*pair_values, -one, one, -one, one, np.ones(4 * n)])
    x, y = points[:, 0], points[:, 1]
    room = np.concatenate([distance, x, box.width - x, y, box.height - y])
    shape = (len(room), 3 * n)
    bounds = np.vstack([np.tile([-trust, trust], (2 * n, 1)), np.column_stack([np.full(n, 1e-4 * box.unit), largest])])
    answer = linprog(
        np.concatenate([np.zeros(2 * n), -one]),
        A_ub=csr_matrix((values, (rows, columns)), shape=shape),
        b_ub=room,
        bounds=bounds,
        method="highs-ds",
        options={"presolve": False},  # a fifth of the time, for programmes as small as these
    )
    if answer.x is None:
        return fit(points, box)
    return Packing(points + answer.x[: 2 * n].reshape(n, 2), answer.x[2 * n :])


def best_radii(points: Array, box: Box) -> Packing:
    """The radii with the largest sum for fixed centres."""
    return linear_step(Packing(points, np.full(box.n, box.unit)), box, trust=0.0)
