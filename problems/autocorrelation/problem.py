"""The first autocorrelation inequality, as a domain: a step function, judged by referee.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from problems.autocorrelation import referee
from problems.exact.domain import ExactProblem, SearchOptions
from problems.exact.numbers import float_up
from tasks.contract import Failure, Slot

#: The lowest upper bound listed in the collection "Optimization constants in mathematics" (T. Tao and others, constant
#: 1a, read in 2026), by TogetherAI. Not verified here. AlphaEvolve (arXiv 2506.13131, May 2025, section B.1) had 1.5053
#: from 600 steps, Matolcsi and Vinuesa (2010) 1.5098.
BEST_KNOWN = 1.502862


class AutocorrelationOptions(SearchOptions):
    """The options of this problem."""

    steps: int = Field(
        100, ge=1, le=referee.MOST_STEPS, description="How many steps are suggested; a program may use others"
    )


class Autocorrelation(ExactProblem):
    """The domain `autocorrelation`."""

    Options: ClassVar[type[BaseModel]] = AutocorrelationOptions
    name: ClassVar[str] = "autocorrelation"
    contract_version: ClassVar[str] = "1"
    metric: ClassVar[str] = "negative_upper_bound"
    slots: ClassVar[tuple[Slot, ...]] = (
        Slot("start", "the first step function"),
        Slot("improve", "how the peak of its autoconvolution is lowered"),
    )
    options: AutocorrelationOptions

    def request(self, rung: str, seed: int) -> dict[str, Any]:
        """The arguments of `solve`."""
        return {"steps": self.options.steps, **super().request(rung, seed)}

    def known(self) -> float | None:
        """The best known upper bound, negative as the fitness is."""
        return -BEST_KNOWN

    def judge(self, answer: Any, request: Mapping[str, Any]) -> Mapping[str, float] | Failure:
        """The upper bound, exactly, rounded up."""
        verdict = referee.judge(answer)
        if isinstance(verdict, Failure):
            return verdict
        bound = float_up(verdict.bound)
        metrics = {"negative_upper_bound": -bound, "upper_bound": bound}
        return {**metrics, "steps": float(verdict.steps), "peak": float(verdict.peak)}
