"""The domain around an exact referee: a folder problem whose program searches for one construction within `cpu_s`.

A construction that was found once stands, so the score is the best verified value and has no standard error. The
best known value is shown beside a result and is never used in judging.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from problems.folder import FolderProblem
from tasks.contract import Brief, Failure, FailureKind, Limits, Measurements, Score

START_UP_CPU_S = 3.0  # importing numpy and scipy.optimize where the sandbox has not done it before
GRACE = 1.25  # a candidate that is a little late loses its round trip, not its construction
TICK_S = 0.005  # with clock = "calls": about what a step of the shipped searches takes
COUNTED_SLACK = 4.0  # a step may take longer than a tick, and its cost must not decide anything
COUNTED = (
    f"- Here the clocks of `time` count: each time one is asked it moves on by {TICK_S:g} s, whatever was done in "
    "between. Ask once per step of the search, and not in the innermost loop."
)


class SearchOptions(BaseModel):
    """What can be chosen about every problem of this kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_s: float = Field(8.0, gt=0, le=3600, description="CPU seconds that a candidate is told it has")
    memory_mb: int = Field(1024, ge=128, description="Memory of a candidate")
    clock: Literal["cpu", "calls"] = Field(
        "cpu", description="calls: a candidate's clock counts how often it is asked, so that runs repeat exactly"
    )


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
        slack = 1.0 if self.options.clock == "cpu" else COUNTED_SLACK
        cpu_s = self.options.cpu_s * GRACE * slack + START_UP_CPU_S
        # HiGHS (scipy's linprog) opens a pool of idle threads, half as many as there are cores.
        return Limits(cpu_s=cpu_s, wall_s=4.0 * cpu_s + 30.0, memory_mb=self.options.memory_mb, processes=64)

    def tick_s(self) -> float:
        """See Job: 0 with the real clock."""
        return 0.0 if self.options.clock == "cpu" else TICK_S

    def known(self) -> float | None:
        """The best known fitness under these options, for people; None where none is published."""
        return None

    def brief(self) -> Brief:
        """What the files say, with the best known value and the clock of these options."""
        read = super().brief()
        contract = read.program_contract if self.options.clock == "cpu" else f"{read.program_contract}\n{COUNTED}"
        return dataclasses.replace(read, best_known=self.known(), program_contract=contract)

    def score(self, evaluations: Sequence[Measurements], baseline: Sequence[Measurements] | None) -> Score | Failure:
        """The best verified value."""
        if not evaluations:
            return Failure(FailureKind.INVALID, "there is no evaluation to score")
        return Score(max(each.metrics[self.metric] for each in evaluations), None, len(evaluations))
