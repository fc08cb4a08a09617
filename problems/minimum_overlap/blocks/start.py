"""Slot `start`: the first step function. `start(steps, rng) -> heights (steps,)`, settled."""

from __future__ import annotations

from typing import Annotated

from problems.minimum_overlap.blocks.toolkit import Array, np, settled


def noise(steps: int, rng: np.random.Generator, *, level: Annotated[float, (0.05, 0.5)] = 0.3) -> Array:
    """One half everywhere, with noise.

    The plainest start: 1/2 alone overlaps by 1/2.
    """
    return settled(0.5 + level * rng.uniform(-1.0, 1.0, steps))


def bump(
    steps: int,
    rng: np.random.Generator,
    *,
    width: Annotated[float, (0.3, 0.9)] = 0.6,
    level: Annotated[float, (0.0, 0.3)] = 0.1,
) -> Array:
    """High in the middle and 0 at both ends, with noise.

    Erdos's own example, 1 on the middle half, overlaps by 1/2; softer ones do better.
    """
    place = np.abs(np.linspace(-1.0, 1.0, steps)) / width
    return settled(np.exp(-(place**4)) + level * rng.uniform(-1.0, 1.0, steps))


def waves(steps: int, rng: np.random.Generator, *, count: Annotated[int, (2, 12)] = 5) -> Array:
    """A symmetric bump with some random cosines on top.

    Good functions have a comb of several high and low stretches inside the bump.
    """
    place = np.linspace(-1.0, 1.0, steps)
    shape = 0.5 + 0.4 * np.cos(np.pi * place)
    for number in range(1, count + 1):
        shape = shape + rng.normal(0.0, 0.3 / number) * np.cos(np.pi * (number + 1) * place)
    return settled(shape)
