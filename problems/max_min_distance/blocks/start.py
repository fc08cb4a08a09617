"""Slot `start`: where the points begin. `start(n, dimension, rng) -> (n, dimension)`."""

from __future__ import annotations

from typing import Annotated

from problems.max_min_distance.blocks.toolkit import Array, np


def ball(n: int, dimension: int, rng: np.random.Generator) -> Array:
    """Points anywhere in a ball.

    The plainest start; leads to many different optima.
    """
    directions = rng.normal(size=(n, dimension))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.asarray(directions * rng.random((n, 1)) ** (1.0 / dimension), dtype=np.float64)


def lattice_patch(
    n: int, dimension: int, rng: np.random.Generator, *, jitter: Annotated[float, (0.0, 0.5)] = 0.15
) -> Array:
    """The n points of a skewed lattice nearest to a random centre, each moved a little.

    In the plane the lattice is the hexagonal one: dense, and near to round. Too little jitter keeps its symmetry.
    """
    basis = np.eye(dimension)
    basis[1:, 0], basis[1, 1] = 0.5, 3.0**0.5 / 2.0
    side = np.arange(-4, 5)
    lattice = np.stack(np.meshgrid(*[side] * dimension), axis=-1).reshape(-1, dimension) @ basis
    from_centre = np.linalg.norm(lattice - rng.random(dimension), axis=1)
    return np.asarray(lattice[np.argsort(from_centre)[:n]] + rng.normal(0.0, jitter, (n, dimension)), dtype=np.float64)


def rings(n: int, dimension: int, rng: np.random.Generator, *, outer: Annotated[float, (0.4, 0.9)] = 0.6) -> Array:
    """A share of the points on a circle or sphere, the others anywhere inside it.

    The largest distance is reached by points on the outline, so many of them lie there.
    """
    directions = rng.normal(size=(n, dimension))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    inner = np.arange(n) >= round(outer * n)
    return np.asarray(directions * np.where(inner, 0.7 * rng.random(n) ** 0.5, 1.0)[:, None], dtype=np.float64)
