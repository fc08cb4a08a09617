"""A domain whose scores come from an evaluator that imports the candidate into its own process, as other tools do.

Such an evaluator runs wholly inside the sandbox, and whatever it says could have been said by the candidate. Its
metrics are therefore named `self_reported/...` wherever they are shown, and there is one rung: nothing is promoted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from problems.folder.domain import ANSWER, FolderProblem, ProblemError
from tasks.contract import (
    JSON,
    Failure,
    FailureKind,
    Issue,
    Job,
    Limits,
    Sandbox,
    Trained,
    Workspace,
)

INSIDE = Path(__file__).parent / "inside"
TAG = "self_reported"
START, END = "EVOLVE-BLOCK-START", "EVOLVE-BLOCK-END"


class EvaluatorProblem(FolderProblem):
    """Derive from it, name the problem and the metric. The evaluator and what it needs lie in `evaluator/`."""

    metric: ClassVar[str] = f"{TAG}/combined_score"
    evaluator: ClassVar[str] = "evaluator.py"  # in the folder evaluator/
    program_name: ClassVar[str] = "initial_program.py"  # what the evaluator may expect its program to be called
    thresholds: ClassVar[tuple[float, ...]] = (0.5, 0.75, 0.9)  # OpenEvolve's, for evaluators with stages
    limits: ClassVar[Limits] = Limits(cpu_s=60.0, wall_s=300.0, memory_mb=2048, processes=64)

    def __init__(self, options: BaseModel | None = None) -> None:
        """Raises ProblemError if a file is missing, or the seed is a folder: evaluators are given one program file."""
        super().__init__(options)
        if self._brief.tree is not None:
            raise ProblemError(f"{self.folder}: an evaluator takes one program file: seed.py, not a folder seed/")

    def check(self, code: str) -> list[Issue]:
        """What lies outside the marks of the seed program is as it was."""
        before, now = protected(self.brief().seed_program), protected(code)
        if before is None or before == now:
            return []
        return [Issue("protected", f"only the text between # {START} and # {END} may change, and the marks stay")]

    def train(self, code: str, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace) -> Trained | Failure:
        """Run the evaluator on the program, and keep what it said."""
        folder = self.folder / "evaluator"
        script = folder / self.evaluator
        if not script.is_file():
            raise ProblemError(f"{script} is missing: the evaluator of {self.name}")
        request = {"script": str(script.resolve()), "program_name": self.program_name, "thresholds": self.thresholds}
        done = sandbox.run(Job(code, INSIDE, "wrapped:run", request, self.limits, data=(folder,)))
        if isinstance(done, Failure):
            return done
        kept = workspace.write(ANSWER, json.dumps(done.answer).encode())
        logs = "\n".join(part for part in (done.stdout, done.stderr) if part)
        return Trained((kept,), {"cpu_s": done.cost.cpu_s}, logs, done.cost)

    def judge(self, answer: JSON, request: Mapping[str, JSON]) -> Mapping[str, float] | Failure:
        """The evaluator's numbers under their tag; a failure if it says that the program is wrong."""
        metrics, notes = answer["metrics"], answer["notes"]
        said = "; ".join(f"{name}: {value}" for name, value in notes.items())[:1_000]
        if notes.get("correct") == "False":
            return Failure(FailureKind.INVALID, f"the evaluator says it is wrong: {said}")
        if wrong := [name for name, value in metrics.items() if isinstance(value, str)]:
            return Failure(FailureKind.INVALID, f"{', '.join(wrong)} is not a finite number. {said}")
        tagged = {f"{TAG}/{name}": float(value) for name, value in metrics.items()}
        if self.metric not in tagged:
            return Failure(FailureKind.INVALID, f"the evaluator gave no {self.metric.removeprefix(TAG + '/')}. {said}")
        return tagged


def protected(code: str) -> str | None:
    """The program without what may evolve; None if it has no marks.

    >>> protected("a\\n# EVOLVE-BLOCK-START\\nb\\n# EVOLVE-BLOCK-END\\nc\\n")
    'a\\n# EVOLVE-BLOCK-START\\n# EVOLVE-BLOCK-END\\nc'
    """
    if START not in code or END not in code:
        return None
    kept = re.sub(rf"(?ms)^([^\n]*{START}[^\n]*\n).*?^([^\n]*{END})", r"\1\2", code)
    return "\n".join(line.rstrip() for line in kept.splitlines()).strip()
