"""Top-k pool, as in architecture design (§4.1): the parent from the best 10, the references from the best 50."""

from __future__ import annotations

import random
from dataclasses import dataclass

from pydantic import Field

from cognition.records import Sample
from cognition.samplers.base import Frozen, drawn, nothing_scored
from cognition.samplers.view import View


class TopKSettings(Frozen):
    """§4.1. There the pool is refreshed periodically; here it is read anew for every round."""

    parents: int = Field(10, ge=1, le=500, description="The parent is one of this many best candidates")
    references: int = Field(50, ge=1, le=500, description="The references are of this many best candidates")


@dataclass(frozen=True, slots=True)
class TopK:
    """Uniform within the two pools."""

    settings: TopKSettings
    sampled: int

    def sample(self, view: View, index: int, rng: random.Random) -> Sample:
        """See Sampler."""
        arms = view.pool(max(self.settings.parents, self.settings.references))
        if not arms:
            return nothing_scored(view, "top_k")
        parent = rng.choice(arms[: self.settings.parents]).candidate
        references = drawn(arms[: self.settings.references], parent, self.sampled - 1, rng)
        return Sample(parent, references, view.sequence, "top_k")
