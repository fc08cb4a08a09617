"""Greedy: the best candidate is the parent, the next best are the references."""

from __future__ import annotations

import random
from dataclasses import dataclass

from cognition.records import Sample
from cognition.samplers.base import nothing_scored
from cognition.samplers.view import View


@dataclass(frozen=True, slots=True)
class Greedy:
    """Always the top."""

    sampled: int

    def sample(self, view: View, index: int, rng: random.Random) -> Sample:
        """See Sampler."""
        arms = view.pool(self.sampled)
        if not arms:
            return nothing_scored(view, "greedy")
        parent, *references = (arm.candidate for arm in arms)
        return Sample(parent, tuple(references), view.sequence, "greedy")
