"""A problem that costs nothing: the candidate is `x = NUMBER`, the fitness is -(x - 3)^2. For tests of the engine.

It runs nothing in the sandbox, so rounds take milliseconds; `calls` in a file counts what the engine asked for, across
processes. Programs can ask for trouble: `machine_fault` raises one while the file of that name exists, `crash` fails.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cognition.records import CodeBlock, Tunable
from tasks.contract import (
    BaseDomain,
    Brief,
    Failure,
    FailureKind,
    Issue,
    Item,
    MachineFault,
    Measurements,
    Needs,
    Sandbox,
    Score,
    Slot,
    Step,
    Template,
    Trained,
    Workspace,
)

SEED = "x = 0.0\n"
_training = 0


class ToyOptions(BaseModel):
    """Where calls are counted, how long a training takes, and what it is said to need."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log: str = ""
    sleep_s: float = 0.0
    fault_file: str = ""
    gpus: int = 0
    train_wall_s: float = 60.0
    overlap: str = ""


class Toy(BaseDomain):
    """Find three."""

    Options = ToyOptions
    name = "toy"

    def __init__(self, options: ToyOptions) -> None:
        self.options = options

    def brief(self) -> Brief:
        self._count("brief")
        block = CodeBlock(
            "guess", "constant", "def constant(*, value):\n    return value\n", (Tunable("value", 1.0, 0.0, 6.0),)
        )
        return Brief(
            goal="find three",
            program_contract="assign x a number",
            seed_program=SEED,
            items=(
                Item("toy-1", "toy", "three is a good number", triggers=("x is far off", "new best", "improvement")),
                Item("toy-2", "toy", "a constant", triggers=("guess",), block=block),
            ),
            template=Template((Slot("guess", "the number"),), "# {blocks}\nx = guess()\n"),
            metric="closeness",
            best_known=0.0,
        )

    def needs(self, step: Step, rung: str) -> Needs:
        if step == "benchmark":
            return Needs(wall_s=1.0)
        return Needs(gpus=self.options.gpus, wall_s=self.options.train_wall_s)

    def check(self, code: str) -> list[Issue]:
        self._count("check")
        return [] if "x =" in code else [Issue("no-x", "assign x")]

    def train(self, code: str, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace) -> Trained | Failure:
        self._count("train")
        candidate = workspace.uri.split("/rounds/")[1].split("/")[0]
        self._count(f"trained:{candidate}")
        self._count(f"on-seed:{candidate}:{seed}")
        with self._watched():
            time.sleep(self.options.sleep_s)
        if self.options.fault_file and Path(self.options.fault_file).exists():
            raise MachineFault("the toy machine is out of order")
        if "crash" in code:
            return Failure(FailureKind.CRASH, "it crashed", "Traceback: toy")
        return Trained((workspace.write("x.txt", str(_x(code)).encode()),), {"x": _x(code)}, "trained\n")

    def benchmark(
        self, code: str, trained: Trained, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace
    ) -> Measurements | Failure:
        self._count("benchmark")
        x = float(workspace.read("x.txt"))
        return Measurements({"closeness": -((x - 3.0) ** 2)}, {"x": x}, artefacts=trained.artefacts)

    def score(self, evaluations: Sequence[Measurements], baseline: Sequence[Measurements] | None) -> Score | Failure:
        return Score(sum(e.metrics["closeness"] for e in evaluations) / len(evaluations), evaluations=len(evaluations))

    def features(self, measurements: Measurements) -> Mapping[str, float]:
        return {"x": min(1.0, abs(float(measurements.breakdown["x"])) / 6)}

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Note in the file `overlap` how many trainings of this process are under way."""
        global _training
        _training += 1
        if self.options.overlap:
            with Path(self.options.overlap).open("a") as log:
                log.write(f"{_training}\n")
        try:
            yield
        finally:
            _training -= 1

    def _count(self, call: str) -> None:
        if self.options.log:
            with Path(self.options.log).open("a") as log:
                log.write(call + "\n")


def _x(code: str) -> float:
    """The last number assigned or passed as `value=`. The code is read, never run, nor parsed in a worker thread."""
    numbers = re.findall(r"=\s*(-?\d+(?:\.\d+)?)", code)
    return float(numbers[-1]) if numbers else 0.0
