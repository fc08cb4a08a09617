"""The ratio of largest to smallest distance, as a domain: n points, by default 16 in the plane; see referee.py."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from problems.exact.domain import ExactProblem, SearchOptions
from problems.exact.numbers import float_up
from problems.max_min_distance import referee
from tasks.contract import Failure, FailureKind, Slot

#: (n, dimension) -> squared ratio. In the plane: found with this folder's blocks in seconds and verified exactly
#: (12.889229907694038, cut after eleven decimals); AlphaEvolve (arXiv 2506.13131, May 2025, section B.8) had
#: 12.889266112. In space: as published there. Neither is proved to be the smallest.
BEST_KNOWN = {(16, 2): 12.88922990769, (14, 3): 4.165849767}


class DistanceOptions(SearchOptions):
    """The options of this problem."""

    n: int = Field(16, ge=3, le=100, description="How many points")
    dimension: int = Field(2, ge=2, le=3, description="2: in the plane, 3: in space")


class MaxMinDistance(ExactProblem):
    """The domain `max_min_distance`."""

    Options: ClassVar[type[BaseModel]] = DistanceOptions
    name: ClassVar[str] = "max_min_distance"
    contract_version: ClassVar[str] = "1"
    metric: ClassVar[str] = "negative_squared_ratio"
    slots: ClassVar[tuple[Slot, ...]] = (
        Slot("start", "where the points begin"),
        Slot("improve", "how the ratio of largest to smallest distance shrinks"),
    )
    options: DistanceOptions

    def request(self, rung: str, seed: int) -> dict[str, Any]:
        """The arguments of `solve`."""
        return {"n": self.options.n, "dimension": self.options.dimension, **super().request(rung, seed)}

    def known(self) -> float | None:
        """The best known squared ratio, negative as the fitness is."""
        square = BEST_KNOWN.get((self.options.n, self.options.dimension))
        return None if square is None else -square

    def judge(self, answer: Any, request: Mapping[str, Any]) -> Mapping[str, float] | Failure:
        """The squared ratio, exactly, rounded up."""
        verdict = referee.judge(answer, self.options.n, self.options.dimension)
        if isinstance(verdict, Failure):
            return verdict
        if verdict.squared_ratio > 10**18:
            return Failure(FailureKind.INVALID, "two points are a billion times nearer than two others")
        square = float_up(verdict.squared_ratio)
        return {"negative_squared_ratio": -square, "squared_ratio": square, "ratio": math.sqrt(square)}
