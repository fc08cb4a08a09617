"""Erdos's minimum overlap problem, as a domain: a step function, judged by referee.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from problems.exact.domain import ExactProblem, SearchOptions
from problems.exact.numbers import float_up
from problems.minimum_overlap import referee
from tasks.contract import Failure, Slot

#: The lowest upper bound listed in the collection "Optimization constants in mathematics" (T. Tao and others, constant
#: 1b, read in 2026), by TTT-Discover. Not verified here. AlphaEvolve (arXiv 2506.13131, May 2025, section B.5) had
#: 0.380924, Haugland (arXiv 1609.08000, 2016) 0.380927.
BEST_KNOWN = 0.380876


class OverlapOptions(SearchOptions):
    """The options of this problem."""

    steps: int = Field(
        51, ge=1, le=referee.MOST_STEPS, description="How many steps are suggested; a program may use others"
    )


class MinimumOverlap(ExactProblem):
    """The domain `minimum_overlap`."""

    Options: ClassVar[type[BaseModel]] = OverlapOptions
    name: ClassVar[str] = "minimum_overlap"
    contract_version: ClassVar[str] = "1"
    metric: ClassVar[str] = "negative_overlap"
    slots: ClassVar[tuple[Slot, ...]] = (
        Slot("start", "the first step function"),
        Slot("improve", "how its largest overlap is lowered"),
    )
    options: OverlapOptions

    def request(self, rung: str, seed: int) -> dict[str, Any]:
        """The arguments of `solve`."""
        return {"steps": self.options.steps, **super().request(rung, seed)}

    def known(self) -> float | None:
        """The best known overlap, negative as the fitness is."""
        return -BEST_KNOWN

    def judge(self, answer: Any, request: Mapping[str, Any]) -> Mapping[str, float] | Failure:
        """The largest overlap, exactly, rounded up."""
        verdict = referee.judge(answer)
        if isinstance(verdict, Failure):
            return verdict
        bound = float_up(verdict.bound)
        metrics = {"negative_overlap": -bound, "overlap": bound, "steps": float(len(verdict.heights))}
        return {**metrics, "shift": float(verdict.shift), "repair": float(verdict.repair)}
