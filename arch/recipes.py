"""Rungs as data: which tasks are trained how long, with which learning rates. Settings only; nothing is run here.

`laptop` is the CPU proxy: one layer, d=64, two heads of 16, so a state of 2 x 16 x 16 numbers that eight updated keys
fill. `hard` has room above DeltaNet: 24 keys, each bound twice, in the same state. `tiny` is for tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from arch.inside.synthetic import Task
from arch.language.suites import OFFLINE, Suite

BYTES = 256
TEXT = "text"


@dataclass(frozen=True, slots=True)
class Run:
    """One training run of a rung; `task` None is next-byte prediction on text."""

    name: str
    task: Task | None
    length: int
    steps: int
    batch: int
    learning_rates: tuple[float, ...]
    n_layers: int = 1

    @property
    def vocabulary(self) -> int:
        """How many tokens the model knows."""
        return BYTES if self.task is None else self.task.vocabulary


@dataclass(frozen=True, slots=True)
class Recipe:
    """A rung: model sizes, runs, and how much is held out."""

    d_model: int
    n_heads: int
    head_dim: int
    runs: tuple[Run, ...]
    prompts: int  # held-out prompts per synthetic task, as many again for choosing the learning rate
    windows: int  # held-out windows of text
    audited: float = 0.1  # share of windows of which a random prefix is sent alone
    cpu_s: float = 150.0  # limit of one training run
    wall_s: float = 900.0
    suite: Suite | None = None  # benchmarks of the model that was trained on text

    @property
    def text(self) -> Run:
        """The run on text. Raises StopIteration if there is none."""
        return next(run for run in self.runs if run.task is None)


def causal_lengths(recipes: Iterable[Recipe]) -> tuple[int, ...]:
    """The lengths of the causality check: two odd ones and every training length."""
    return tuple(dict.fromkeys((97, 257, *(run.length for recipe in recipes for run in recipe.runs))))


RATES = (5e-3, 1e-2, 2e-2)
MQAR = Task("recall", 64, pairs=8)
UPDATE = Task("recall", 64, pairs=8, times=2)
HARD = Task("recall", 128, pairs=24, times=2, keys=48)  # with 16 pairs DeltaNet reached 0.990, no room above it
COPY = Task("copy", 64, pairs=8, keys=16)

LAPTOP = Recipe(
    64,
    2,
    16,
    (Run("update", UPDATE, 64, 400, 32, RATES), Run(TEXT, None, 128, 150, 16, (2e-2,))),
    prompts=128,
    windows=96,
    suite=OFFLINE,
)
HARDER = Recipe(
    64,
    2,
    16,
    (Run("hard", HARD, 128, 800, 32, RATES), Run(TEXT, None, 128, 300, 16, (2e-2,))),
    prompts=128,
    windows=96,
    suite=OFFLINE,
)
TINY = Recipe(
    16,
    2,
    8,
    (Run("update", Task("recall", 24, 2, 2, 4, 4), 24, 6, 4, (1e-2, 2e-2)), Run(TEXT, None, 32, 6, 4, (1e-2,))),
    prompts=8,
    windows=12,
    audited=0.25,
    cpu_s=4.0,
    wall_s=120.0,
)
RUNGS: Mapping[str, Recipe] = {"laptop": LAPTOP, "hard": HARDER}
