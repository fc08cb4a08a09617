"""Random: parent and references uniformly from the population. The control of the paper's sampler ablation (Fig. 4)."""

from __future__ import annotations

import random
from dataclasses import dataclass

from cognition.records import Sample
from cognition.samplers.base import drawn, nothing_scored
from cognition.samplers.view import View


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every member of the population is equally likely."""

    population: int
    sampled: int

    def sample(self, view: View, index: int, rng: random.Random) -> Sample:
        """See Sampler."""
        arms = view.pool(self.population)
        if not arms:
            return nothing_scored(view, "random")
        parent = rng.choice(arms).candidate
        return Sample(parent, drawn(arms, parent, self.sampled - 1, rng), view.sequence, "random")
