"""An evaluator of another tool, run wholly inside the sandbox: its scores are what candidates say of themselves.

`nightshift try .` runs it on the seed program. To have scores that can be believed, let the program answer and judge
its answer outside: docs/problems.md shows how.
"""

from __future__ import annotations

from typing import ClassVar

from problems.evaluator import EvaluatorProblem, Limits


class MyProblem(EvaluatorProblem):
    """What evaluator/EVALUATOR scores."""

    name: ClassVar[str] = "my_problem"
    contract_version: ClassVar[str] = "1"  # another one when scores stop being comparable
    metric: ClassVar[str] = "self_reported/METRIC"
    evaluator: ClassVar[str] = "EVALUATOR"
    program_name: ClassVar[str] = "PROGRAM"
    limits: ClassVar[Limits] = Limits(cpu_s=60.0, wall_s=300.0, memory_mb=2048, processes=64)
