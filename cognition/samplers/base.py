"""What samplers have in common: the Protocol, the base of their settings, and the choice of references."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from cognition.records import Sample
from cognition.samplers.view import Arm, View


class Frozen(BaseModel):
    """A settings section: immutable, and a typo is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sampler(Protocol):
    """Chooses a round's context nodes S_t (§3): a parent and references. It only reads, and only through the view."""

    def sample(self, view: View, index: int, rng: random.Random) -> Sample:
        """Choose for round `index`. The same view, index and generator state give the same sample."""


def nothing_scored(view: View, sampler: str) -> Sample:
    """What every sampler answers while no candidate has a score."""
    return Sample(None, (), view.sequence, sampler)


def drawn(arms: Sequence[Arm], without: str, count: int, rng: random.Random) -> tuple[str, ...]:
    """Up to `count` different candidates, uniformly, none of them `without`."""
    others = [arm.candidate for arm in arms if arm.candidate != without]
    return tuple(rng.sample(others, min(count, len(others))))
