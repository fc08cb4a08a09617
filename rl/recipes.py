"""Rungs on a CPU as data: base model, prompts, learning rates, when a run is given up. Nothing is run here.

`laptop` is the proxy that all figures of docs/rl.md are measured on. `second` is the same on another family of base
model. `tiny` is for tests: its scores mean nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rl.inside.shape import Family, Shape
from rl.inside.sorting import COMPLETION, PROMPT, VOCABULARY, Reward


@dataclass(frozen=True, slots=True)
class Base:
    """How a base model comes about: supervised imitation of a mixture of behaviours."""

    shape: Shape
    seed: int = 1
    steps: int = 800
    batch: int = 64
    rate: float = 3e-3


@dataclass(frozen=True, slots=True)
class Recipe:
    """A rung on a CPU."""

    base: Base
    rates: tuple[float, ...]  # the first is tried first; a run that is given up there ends the candidate
    generations: int = 20
    iterations: int = 2  # at one, the ratio is always 1 and every clip is dead code
    prompts: int = 16
    group_size: int = 8
    reward: Reward = "exact"
    abort_at: int = 6  # of 20 generations, and before the other learning rates
    abort_below: float = 0.2
    choosing: int = 384  # prompts that choose the learning rate
    reported: int = 768  # prompts that the score is about
    epsilon_low: float = 0.2
    epsilon_high: float = 0.2
    beta: float = 0.04  # for losses that ask for a reference
    cpu_s: float = 240.0  # limit of one job: every learning rate of one seed
    wall_s: float = 1500.0


def _shape(family: Family, **sizes: int) -> Shape:
    return Shape(family, VOCABULARY, PROMPT + COMPLETION - 1, **sizes)


LAPTOP = Recipe(Base(_shape("qwen")), rates=(1e-3, 5e-4, 2e-3))
SECOND = Recipe(Base(_shape("gpt", hidden=256)), rates=(1e-3, 5e-4, 2e-3))
TINY = Recipe(
    Base(_shape("qwen", width=16, heads=2, layers=1, hidden=16), steps=60, batch=16),
    rates=(1e-3, 2e-3),
    reward="graded",
    generations=3,
    prompts=4,
    group_size=4,
    abort_at=0,
    choosing=16,
    reported=32,
    cpu_s=15.0,
    wall_s=240.0,
)
RUNGS: Mapping[str, Recipe] = {"laptop": LAPTOP, "second": SECOND}
