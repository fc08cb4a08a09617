"""A Triton kernel, evolved for few bytes moved at verified correctness. The paper names kernels as its limitation.

`train` lets the candidate fill poisoned memory in Triton's interpreter, in the sandbox, on fresh inputs; `benchmark`
compares what came back with a float64 reference, outside. Fitness on a laptop is memory traffic counted in the
interpreter, which is no speed. The rung `gpu` measures times, and refuses without a GPU (gpu/rung.py).
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from problems.triton_kernel import catalogue, cheats, exchange, judge, knowledge, rules, scoring, traffic, wording
from problems.triton_kernel.gpu import cases as gpu_cases
from problems.triton_kernel.gpu import exchange as gpu_exchange
from problems.triton_kernel.gpu import rung as gpu_rung
from problems.triton_kernel.gpu import verdicts
from problems.triton_kernel.gpu.rung import Rung
from problems.triton_kernel.judge import Call
from problems.triton_kernel.operation import Operation
from tasks.contract import (
    BaseDomain,
    Brief,
    Cost,
    Failure,
    FailureKind,
    Issue,
    Limits,
    MachineFault,
    Measurements,
    Needs,
    Sandbox,
    Score,
    Step,
    Trained,
    Workspace,
)

HERE = Path(__file__).parent
MEMORY, SECOND, COUNTS = "memory.bin", "memory-again.bin", "counts.json"
COMPILE_CPU_S = 120.0  # of all kernels of the rung `gpu`, some thirty for the seed program
START_UP_CPU_S = 6.0  # importing torch and triton costs seconds where the sandbox has not done it before
FEWEST_ROUNDS = 12  # an interval at the level of three cases takes seven


class NoTimes(MachineFault):
    """The fitness that was chosen is measured at another rung."""

    may_pass = False


class TritonMissing(MachineFault):
    """Triton or torch is not installed."""

    may_pass = False


class TritonKernelOptions(BaseModel):
    """What can be chosen about the problem."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Literal["add_rms_norm", "softmax"] = Field("add_rms_norm", description="What the kernel computes")
    cpu_s: float = Field(30.0, gt=0, le=3600, description="CPU seconds that all calls of a candidate may take together")
    memory_mb: int = Field(2048, ge=512, description="Memory of a candidate")
    fitness: Literal["traffic_efficiency", "speedup"] = Field(
        "traffic_efficiency", description="What candidates are asked for; `speedup` is measured at the rung gpu alone"
    )
    rounds: int = Field(60, ge=FEWEST_ROUNDS, le=200, description="At the rung gpu: how often each case is timed")
    compute_capability: int = Field(
        90, ge=75, le=130, description="Of the GPU that kernels are compiled for, times ten"
    )
    tiny: bool = Field(False, description="Few rows and no large cases, for tests: not comparable with other scores")


class TritonKernel(BaseDomain):
    """The domain `triton_kernel`."""

    Options = TritonKernelOptions
    name: ClassVar[str] = "triton_kernel"
    contract_version: ClassVar[str] = "1"
    rungs: ClassVar[tuple[str, ...]] = ("laptop", "gpu")
    preload: ClassVar[tuple[str, ...]] = ("torch",)  # not triton: TRITON_INTERPRET is set in the job, before its import
    entry: ClassVar[str] = "launch"

    def __init__(self, options: TritonKernelOptions | None = None) -> None:
        """Raises TritonMissing."""
        self.options = options or TritonKernelOptions()
        missing = [name for name in ("torch", "triton") if importlib.util.find_spec(name) is None]
        if missing:
            raise TritonMissing(f"{' and '.join(missing)} missing: install the extra `triton-kernel` (Linux only)")

    @property
    def deterministic(self) -> bool:
        """Whether two seeds give one score: counts of a right program stay the same on fresh inputs, times do not."""
        return self.options.fitness == "traffic_efficiency"

    @property
    def operation(self) -> Operation:
        """The one that was chosen."""
        return catalogue.operation(self.options.operation)

    def brief(self) -> Brief:
        """The operation in words, with a plain kernel as seed."""
        operation = self.operation
        return Brief(
            goal=wording.GOALS[self.options.fitness].format(title=operation.title, formula=operation.formula),
            program_contract=wording.PROGRAM_CONTRACT.format(
                signature=operation.signature,
                outputs=" and ".join(f"`{argument.name}`" for argument in operation.outputs),
                cpu_s=self.options.cpu_s,
                capability=self.options.compute_capability / 10,
            ),
            seed_program=catalogue.seed(operation.name),
            items=knowledge.items(operation.name),
            prompt_notes=self._notes(),
            template=knowledge.template(operation.name, operation.title),
            metric=self.options.fitness,
        )

    def _notes(self) -> str:
        if self.options.fitness == "speedup":
            timed = gpu_cases.described(gpu_cases.timed(self.operation))
            return wording.TIMED_NOTES.format(cases=timed, capability=self.options.compute_capability / 10)
        return wording.NOTES.format(busy=traffic.BUSY, share=traffic.LAUNCH_SHARE)

    def needs(self, step: Step, rung: str) -> Needs:
        """A GPU at the rung of that name, while it is timed; the interpreter keeps to its wall limit."""
        own_s = self.limits(()).wall_s
        if rung == "gpu" and step == "train":
            return Needs(1, own_s + 8.0 * COMPILE_CPU_S + (gpu_rung.JOBS + 2) * gpu_exchange.WALL_S)
        return Needs(wall_s=own_s if step == "train" else 30.0 if rung == "laptop" else 120.0)

    @property
    def _rung(self) -> Rung:
        options = self.options
        timed = gpu_cases.timed(self.operation, options.tiny)
        return Rung(self.operation, timed, options.rounds, options.compute_capability, options.tiny)

    def outlook(self, rung: str) -> str:
        """What the number is. Raises NoGpu where a GPU is missing; NoTimes at a rung that measures none."""
        if rung == "gpu":
            return gpu_rung.require(self._rung)
        if self.options.fitness == "speedup":
            raise NoTimes(f"no time is measured at the rung {rung}: set evaluate.rung = 'gpu', or options.fitness")
        return "traffic_efficiency is memory traffic counted in Triton's interpreter: no time is measured"

    def check(self, code: str) -> list[Issue]:
        """The language of candidates."""
        return rules.issues(code, catalogue.arguments(self.operation))

    def probe(self, code: str, sandbox: Sandbox) -> list[Issue]:
        """The kernels compile for a GPU: the interpreter alone would accept what only Python can run.

        Raises MachineFault if not even the seed program compiles here.
        """
        found = self._uncompiled(code, sandbox)
        if found is None:
            return []
        if (seed := self._uncompiled(catalogue.seed(self.operation.name), sandbox)) is not None:
            raise MachineFault(f"the seed program does not compile here: {seed.message}")
        return [found]

    def _uncompiled(self, code: str, sandbox: Sandbox) -> Issue | None:
        """Of every case whose traffic counts: a program may launch other kernels for other types and sizes."""
        calls = judge.calls(self.operation, 0, "", self.options.tiny)
        cases = [call.case for call in calls if call.case.measured]
        found = exchange.compiled(
            code, self.operation, cases, self.options.compute_capability, self.limits(()), sandbox
        )
        if isinstance(found, Failure):
            return Issue(str(found.kind), f"the kernels could not be compiled: {found.reason}")
        return None if found is None else Issue("compile", f"a kernel does not compile for a GPU: {found}")

    def cheats(self) -> Mapping[str, str]:
        """Programs that must not score above the seed, for `nightshift audit`."""
        return cheats.programs(catalogue.seed("add_rms_norm")) if self.options.operation == "add_rms_norm" else {}

    def train(self, code: str, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace) -> Trained | Failure:
        """Run every case in the interpreter and keep the memory as it came; at the rung `gpu` then time it there.

        A retry runs it again: it takes seconds, on a GPU about a minute. Raises NoGpu, GpuFault.
        """
        self.outlook(rung)
        calls = judge.calls(self.operation, seed, code, self.options.tiny)
        ran = exchange.run(code, self.operation, calls, self.limits(calls), sandbox)
        if isinstance(ran, Failure):
            return ran
        artefacts = (
            workspace.write(MEMORY, ran.first),
            workspace.write(SECOND, ran.second),
            workspace.write(COUNTS, json.dumps(ran.counted).encode()),
        )
        trained = Trained(artefacts, {"calls": len(calls)}, ran.logs, ran.cost)
        return self._timed(code, seed, trained, sandbox, workspace) if rung == "gpu" else trained

    def _timed(
        self, code: str, seed: int, trained: Trained, sandbox: Sandbox, workspace: Workspace
    ) -> Trained | Failure:
        """With times: only of a program that is right, so that the GPU is not spent on another."""
        if isinstance(wrong := self._counted(code, trained, seed, workspace), Failure):
            return wrong
        limits = replace(self.limits(()), cpu_s=COMPILE_CPU_S, wall_s=4.0 * COMPILE_CPU_S)
        timed = gpu_rung.train(code, seed, self._rung, limits, sandbox, workspace)
        if isinstance(timed, Failure):
            return timed
        artefacts, cost, said = timed
        both = Cost(
            trained.cost.cpu_s + cost.cpu_s,
            trained.cost.wall_s + cost.wall_s,
            cost.gpu_s,
            max(trained.cost.peak_memory_mb, cost.peak_memory_mb),
        )
        logs = f"{trained.logs}\n{said}".strip()
        return Trained((*trained.artefacts, *artefacts), trained.summary, logs, both)

    def limits(self, calls: Sequence[Call]) -> Limits:
        """What the sandbox allows."""
        cpu_s = self.options.cpu_s + START_UP_CPU_S
        files_mb = exchange.files_mb(calls)
        return Limits(cpu_s, 4.0 * cpu_s + 30.0, self.options.memory_mb, processes=32, files_mb=files_mb)

    def benchmark(
        self, code: str, trained: Trained, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace
    ) -> Measurements | Failure:
        """Compare with the reference, then add up what was counted; at the rung `gpu`, then judge the times."""
        counted = self._counted(code, trained, seed, workspace)
        if rung != "gpu" or isinstance(counted, Failure):
            return counted
        found = gpu_rung.benchmark(code, seed, self._rung, workspace)
        if isinstance(found, Failure):
            return found
        times, cases, said = found
        metrics, breakdown = {**counted.metrics, **times}, {**counted.breakdown, "timed": cases}
        return Measurements(metrics, breakdown, f"{said}\n{trained.logs}".strip(), trained.cost, trained.artefacts)

    def _counted(self, code: str, trained: Trained, seed: int, workspace: Workspace) -> Measurements | Failure:
        """What the interpreter's run gives."""
        operation, calls = self.operation, judge.calls(self.operation, seed, code, self.options.tiny)
        again = exchange.repeated(calls)
        first = exchange.cut(workspace.read(MEMORY), calls)
        repeats = exchange.cut(workspace.read(SECOND), again)
        second = {call.case.name: memory for call, memory in zip(again, repeats, strict=True)}
        launches = [traffic.read(entry) for entry in json.loads(workspace.read(COUNTS))]
        refused = scoring.refusal(operation, calls, first, second, launches)
        if refused is not None:
            return refused
        metrics, breakdown = scoring.measured(operation, calls, first, launches)
        return Measurements(metrics, breakdown, trained.logs, trained.cost, trained.artefacts)

    def score(self, evaluations: Sequence[Measurements], baseline: Sequence[Measurements] | None) -> Score | Failure:
        """The fitness that was chosen: a speed-up with the error of its interval, or the efficiency.

        Counts do not depend on the inputs, so they have no error. What was not measured is a failure.
        """
        if not evaluations:
            return Failure(FailureKind.INVALID, "there is no evaluation to score")
        name, count = self.options.fitness, len(evaluations)
        if any(name not in each.metrics for each in evaluations):
            return Failure(FailureKind.INVALID, f"an evaluation has no {name}: it was made at another rung")
        fitness = sum(each.metrics[name] for each in evaluations) / count
        if name == "traffic_efficiency":
            return Score(fitness, None, count)
        cases = len(gpu_cases.TIMED)
        found = [each.metrics for each in evaluations]
        errors = [verdicts.spread(each["speedup_low"], each["speedup_high"], cases) for each in found]
        return Score(fitness, math.sqrt(sum(error**2 for error in errors)) / count, count)

    def features(self, measurements: Measurements) -> Mapping[str, float]:
        """How many launches, and how many programs, each in [0, 1]."""
        metrics = measurements.metrics
        return {
            "launches": min(1.0, metrics["launches"] / 8.0),
            "programs": min(1.0, metrics["programs"] / 1000.0),
        }
