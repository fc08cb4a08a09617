"""The problem: how the program is called, and how its answer is judged. `nightshift try .` tries the seed.

The candidate is all of seed/. It runs in a sandbox. `judge` runs outside, on plain JSON that the candidate chose: it
checks everything, and the candidate never sees it. docs/problems.md explains what else can be said here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from problems.folder import Failure, FailureKind, FolderProblem, Limits


class MyProblem(FolderProblem):
    """Ten points in the unit square, far from each other."""

    name: ClassVar[str] = "my_problem"
    contract_version: ClassVar[str] = "1"  # another one when scores stop being comparable
    metric: ClassVar[str] = "min_distance"  # of what `judge` gives, the number to maximise
    entry: ClassVar[str] = "spread.solver:solve"  # module and function in seed/
    protected: ClassVar[tuple[str, ...]] = ("spread/geometry.py",)  # what proposals must not touch
    limits: ClassVar[Limits] = Limits(cpu_s=5.0, wall_s=30.0, memory_mb=512)
    best_known: ClassVar[float | None] = 0.4212795

    def request(self, rung: str, seed: int) -> dict[str, Any]:
        """The arguments of `solve`, by name."""
        return {"n": 10, "seed": seed % 2**32}

    def judge(self, answer: Any, request: Mapping[str, Any]) -> Mapping[str, float] | Failure:
        """The smallest distance, or why the answer is none."""
        points = [(float(x), float(y)) for x, y in answer]
        if len(points) != request["n"]:
            return Failure(FailureKind.INVALID, f"{len(points)} points, not {request['n']}")
        if not all(0.0 <= value <= 1.0 for point in points for value in point):  # refuses NaN too
            return Failure(FailureKind.INVALID, "a point lies outside the unit square")
        distances = [math.dist(one, other) for one, other in itertools.combinations(points, 2)]
        return {"min_distance": min(distances), "mean_distance": sum(distances) / len(distances)}
