"""Heilbronn's problem in a triangle, as a domain: n points, by default 11; the referee is in referee.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from problems.exact.domain import ExactProblem, SearchOptions
from problems.exact.numbers import float_down
from problems.heilbronn_triangle import referee
from tasks.contract import Failure, Slot

#: n -> smallest area in a triangle of area 1. AlphaEvolve (arXiv 2506.13131, May 2025, section B.9) prints 0.0365 and
#: published the points; this is their area to ten digits. Not proved to be the largest.
BEST_KNOWN = {11: 0.0365298898}


class HeilbronnOptions(SearchOptions):
    """The options of this problem."""

    n: int = Field(11, ge=3, le=40, description="How many points")


class HeilbronnTriangle(ExactProblem):
    """The domain `heilbronn_triangle`."""

    Options: ClassVar[type[BaseModel]] = HeilbronnOptions
    name: ClassVar[str] = "heilbronn_triangle"
    contract_version: ClassVar[str] = "1"
    metric: ClassVar[str] = "smallest_area"
    slots: ClassVar[tuple[Slot, ...]] = (
        Slot("start", "where the points begin"),
        Slot("improve", "a rough ascent from there"),
        Slot("polish", "the last digits, with all points moved at once"),
    )
    options: HeilbronnOptions

    def request(self, rung: str, seed: int) -> dict[str, Any]:
        """The arguments of `solve`."""
        return {"n": self.options.n, **super().request(rung, seed)}

    def known(self) -> float | None:
        """The best known smallest area."""
        return BEST_KNOWN.get(self.options.n)

    def judge(self, answer: Any, request: Mapping[str, Any]) -> Mapping[str, float] | Failure:
        """The smallest area, exactly, rounded down."""
        verdict = referee.judge(answer, self.options.n)
        if isinstance(verdict, Failure):
            return verdict
        return {"smallest_area": float_down(verdict.smallest), "shrink": float(verdict.shrink)}
