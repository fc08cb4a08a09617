"""Rungs as data: which splits are trained, how long, how fast. Settings only; nothing is run here.

`laptop` trains once and looks at all four settings; `splits` trains for each of the four splits by itself, as the
paper's table does (section 5.4). `tiny` is for tests. DrugBAN's own recipe is a learning rate of 5e-5 and 100 epochs;
on the small proxy a higher rate with a warm-up and few epochs comes to the same in a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from problems.drug_target.splits import SETTINGS, Kind

WALL_PER_CPU = 4.0  # other work on the machine must not end a run that keeps to its CPU time


@dataclass(frozen=True, slots=True)
class Recipe:
    """A rung. `kept_epochs`: after which the weights are kept; the best of them is chosen outside."""

    splits: tuple[Kind, ...]
    epochs: int = 18
    kept_epochs: tuple[int, ...] = (9, 14, 18)
    batch: int = 64
    learning_rate: float = 2e-3
    decay: float = 0.01
    most_training: int | None = 5100  # pairs
    most_residues: int = 1200  # as DrugBAN cuts proteins off
    audited: float = 0.03  # share of reported pairs that are sent again, alone
    cpu_s: float = 150.0  # limit of one training run
    wall_s: float = 1800.0
    memory_mb: int = 2048

    def changed(self, epochs: int | None, cpu_s: float | None, most_training: int | None, memory_mb: int) -> Recipe:
        """With these values; None keeps a value, but for `most_training`, where it means all pairs."""
        recipe = replace(self, most_training=most_training, memory_mb=memory_mb)
        if cpu_s is not None:
            recipe = replace(recipe, cpu_s=cpu_s, wall_s=max(self.wall_s, WALL_PER_CPU * cpu_s))
        if epochs is None:
            return recipe
        kept = tuple(sorted({max(1, epochs // 2), max(1, 3 * epochs // 4), epochs}))
        return replace(recipe, epochs=epochs, kept_epochs=kept)


LAPTOP = Recipe(("joint",))
ALL_SPLITS = Recipe(SETTINGS)
TINY = replace(LAPTOP, epochs=2, kept_epochs=(1, 2), most_training=200, audited=0.2, cpu_s=12.0, wall_s=240.0)
RUNGS: Mapping[str, Recipe] = {"laptop": LAPTOP, "splits": ALL_SPLITS}
