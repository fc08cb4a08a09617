"""Slot `start`: the first step function. `start(steps, rng) -> heights (steps,)`."""

from __future__ import annotations

from typing import Annotated

from problems.autocorrelation.blocks.toolkit import Array, np


def noise(steps: int, rng: np.random.Generator, *, level: Annotated[float, (0.05, 1.0)] = 0.5) -> Array:
    """A flat function with noise.

    The constant alone gives 2; the noise breaks its symmetry.
    """
    return np.asarray(1.0 - level * rng.random(steps), dtype=np.float64)


def edges(
    steps: int,
    rng: np.random.Generator,
    *,
    power: Annotated[float, (0.1, 0.9)] = 0.5,
    level: Annotated[float, (0.0, 0.5)] = 0.1,
) -> Array:
    """High at both ends: a power of the distance to the nearer end, with noise.

    With power 1/2 the autoconvolution is flat over half of its support (arcsine law): a bound near pi/2.
    """
    place = (np.arange(steps) + 0.5) / steps
    shape = (place * (1.0 - place)) ** -power
    return np.asarray(shape / shape.max() * (1.0 - level * rng.random(steps)), dtype=np.float64)


def one_end(steps: int, rng: np.random.Generator, *, fall: Annotated[float, (0.5, 8.0), "log"] = 2.0) -> Array:
    """High at one end and falling, with noise and some gaps.

    Good functions known so far are not symmetric, and are 0 on some stretches.
    """
    place = (np.arange(steps) + 0.5) / steps
    return np.asarray(np.exp(-fall * place) * rng.random(steps) * (rng.random(steps) < 0.8) + 1e-3, dtype=np.float64)
