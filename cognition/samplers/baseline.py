"""Baseline: every round starts from the seed program and sees nothing else. Best of N, the control of any evolution."""

from __future__ import annotations

import random
from dataclasses import dataclass

from cognition.records import Sample
from cognition.samplers.base import nothing_scored
from cognition.samplers.view import View


@dataclass(frozen=True, slots=True)
class FromBaseline:
    """Always the baseline, without references."""

    def sample(self, view: View, index: int, rng: random.Random) -> Sample:
        """See Sampler."""
        baseline = view.baseline()
        if baseline is None:
            return nothing_scored(view, "baseline")
        return Sample(baseline.candidate, (), view.sequence, "baseline")
