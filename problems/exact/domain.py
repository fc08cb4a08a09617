"""The domain around an exact referee: a folder problem whose program searches for one construction within `cpu_s`.

A construction that was found once stands, so the score is the best verified value and has no standard error. The
best known value is shown beside a result and is never used in judging.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from problems.folder import FolderProblem
from tasks.contract import Brief, Failure, FailureKind, Limits, Measurements, Score

START_UP_CPU_S = 3.0  # importing numpy and scipy.optimize where the sandbox has not done it before
GRACE = 1.25  # a candidate that is a little late loses its round trip, not its construction


class SearchOptions(BaseModel):
    """What can be chosen about every problem of this kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_s: float = Field(8.0, gt=0, le=3600, description="CPU seconds that a candidate is told it has")
    memory_mb: int = Field(1024, ge=128, description="Memory of a candidate")


class ExactProblem(FolderProblem):
    """Derive from it, with `judge` calling a referee, and `Options` deriving from SearchOptions."""

    Options: ClassVar[type[BaseModel]] = SearchOptions
    preload: ClassVar[tuple[str, ...]] = ("numpy", "scipy.optimize")
    options: SearchOptions

    def request(self, rung: str, seed: int) -> dict[str, Any]:
        """Seed and time; a problem adds its own arguments."""
        return {"seed": seed % 2**32, "cpu_s": self.options.cpu_s}

    def allowed(self) -> Limits:
        """Above the CPU time that the candidate is told, so that it can finish in peace."""
        cpu_s = self.options.cpu_s * GRACE + START_UP_CPU_S
        # HiGHS (scipy's linprog) opens a pool of idle threads, half as many as there are cores.
        return Limits(cpu_s=cpu_s, wall_s=4.0 * cpu_s + 30.0, memory_mb=self.options.memory_mb, processes=64)

    def known(self) -> float | None:
        """The best known fitness under these options, for people; None where none is published."""
        return None

    def brief(self) -> Brief:
        """What the files say, with the best known value of these options."""
        return dataclasses.replace(super().brief(), best_known=self.known())

    def score(self, evaluations: Sequence[Measurements], baseline: Sequence[Measurements] | None) -> Score | Failure:
        """The best verified value."""
        if not evaluations:
            return Failure(FailureKind.INVALID, "there is no evaluation to score")
        return Score(max(each.metrics[self.metric] for each in evaluations), None, len(evaluations))
