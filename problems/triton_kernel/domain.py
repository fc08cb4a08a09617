"""A Triton kernel, evolved for few bytes moved at verified correctness. The paper names kernels as its limitation.

`train` lets the candidate fill poisoned memory in Triton's interpreter, in the sandbox, on fresh inputs; `benchmark`
compares what came back with a float64 reference, outside. Fitness on a laptop is memory traffic counted in the
interpreter, which is no speed. Times are only measured where there is a GPU (benchmarks/triton_kernel.py).
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from problems.triton_kernel import catalogue, cheats, exchange, judge, knowledge, rules, scoring, traffic
from problems.triton_kernel.judge import Call
from problems.triton_kernel.operation import Operation
from tasks.contract import (
    BaseDomain,
    Brief,
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
START_UP_CPU_S = 6.0  # importing torch and triton costs seconds where the sandbox has not done it before
NO_TIMER = (
    "the timer does not run inside the sandbox's profile gpu-train yet, so no campaign times candidates; "
    "python -m benchmarks.triton_kernel times a program that you have read, where there is one"
)


class NoTimer(MachineFault):
    """The rung needs a timer in the sandbox."""

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
    tiny: bool = Field(False, description="Few rows and no large cases, for tests: not comparable with other scores")


class TritonKernel(BaseDomain):
    """The domain `triton_kernel`."""

    Options = TritonKernelOptions
    name: ClassVar[str] = "triton_kernel"
    contract_version: ClassVar[str] = "1"
    rungs: ClassVar[tuple[str, ...]] = ("laptop", "gpu")
    preload: ClassVar[tuple[str, ...]] = ("torch",)  # not triton: TRITON_INTERPRET is set in the job, before its import
    deterministic: ClassVar[bool] = True  # the inputs are fresh each time, the counts of a right program are not
    entry: ClassVar[str] = "launch"

    def __init__(self, options: TritonKernelOptions | None = None) -> None:
        """Raises TritonMissing."""
        self.options = options or TritonKernelOptions()
        missing = [name for name in ("torch", "triton") if importlib.util.find_spec(name) is None]
        if missing:
            raise TritonMissing(f"{' and '.join(missing)} missing: install the extra `triton-kernel` (Linux only)")

    @property
    def operation(self) -> Operation:
        """The one that was chosen."""
        return catalogue.operation(self.options.operation)

    def brief(self) -> Brief:
        """The operation in words, with a plain kernel as seed."""
        operation = self.operation
        return Brief(
            goal=GOAL.format(title=operation.title, formula=operation.formula),
            program_contract=PROGRAM_CONTRACT.format(
                signature=operation.signature,
                outputs=" and ".join(f"`{argument.name}`" for argument in operation.outputs),
                cpu_s=self.options.cpu_s,
            ),
            seed_program=catalogue.seed(operation.name),
            items=knowledge.items(operation.name),
            prompt_notes=NOTES.format(busy=traffic.BUSY, share=traffic.LAUNCH_SHARE),
            template=knowledge.template(operation.name, operation.title),
            metric="traffic_efficiency",
        )

    def needs(self, step: Step, rung: str) -> Needs:
        """A GPU at the rung of that name; the interpreter keeps to its wall limit."""
        if rung == "gpu":
            return Needs(1, 600.0)
        return Needs(wall_s=self.limits(()).wall_s if step == "train" else 30.0)

    def outlook(self, rung: str) -> str:
        """What the number is. Raises NoTimer for the rung on a GPU."""
        if rung == "gpu":
            raise NoTimer(NO_TIMER)
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
        found = exchange.compiled(code, self.operation, cases, self.limits(()), sandbox)
        if isinstance(found, Failure):
            return Issue(str(found.kind), f"the kernels could not be compiled: {found.reason}")
        return None if found is None else Issue("compile", f"a kernel does not compile for a GPU: {found}")

    def cheats(self) -> Mapping[str, str]:
        """Programs that must not score above the seed, for `nightshift audit`."""
        return cheats.programs(catalogue.seed("add_rms_norm")) if self.options.operation == "add_rms_norm" else {}

    def train(self, code: str, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace) -> Trained | Failure:
        """Run every case and keep the memory as it came. A retry runs it again: it takes seconds."""
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
        return Trained(artefacts, {"calls": len(calls)}, ran.logs, ran.cost)

    def limits(self, calls: Sequence[Call]) -> Limits:
        """What the sandbox allows."""
        cpu_s = self.options.cpu_s + START_UP_CPU_S
        files_mb = exchange.files_mb(calls)
        return Limits(cpu_s, 4.0 * cpu_s + 30.0, self.options.memory_mb, processes=32, files_mb=files_mb)

    def benchmark(
        self, code: str, trained: Trained, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace
    ) -> Measurements | Failure:
        """Compare with the reference, then add up what was counted."""
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
        """The counts do not depend on the inputs, so there is no standard error."""
        if not evaluations:
            return Failure(FailureKind.INVALID, "there is no evaluation to score")
        values = [each.metrics["traffic_efficiency"] for each in evaluations]
        return Score(sum(values) / len(values), None, len(values))

    def features(self, measurements: Measurements) -> Mapping[str, float]:
        """How many launches, and how many programs, each in [0, 1]."""
        metrics = measurements.metrics
        return {
            "launches": min(1.0, metrics["launches"] / 8.0),
            "programs": min(1.0, metrics["programs"] / 1000.0),
        }


GOAL = (
    "Write a Triton kernel for {title} that is right for every size and moves as few bytes as possible: {formula}. All "
    "tensors of a call have one type: float32, float16 or bfloat16."
)
PROGRAM_CONTRACT = """\
Define `{signature}` at the top level, and kernels under `@triton.jit` that it launches as `kernel[grid](...)`.
- It fills {outputs}, which hold NaN before, and returns nothing. Inputs stay as they are; nothing outside of the
  tensors is touched, not even read. Any sizes from 1 on, also odd ones: mask loads and stores, and give `other`.
- Matrices have stride 1 in their rows; rows may lie apart: use `.stride(0)`, for each tensor its own.
- The work is done in Triton. Of torch there are `torch.empty`, `empty_like`, `new_empty` for scratch, shapes, strides
  and views; anything that computes, fills or copies is refused.
- Compute in float32: `tl.load(...).to(tl.float32)`. The interpreter adds and multiplies bfloat16 wrongly, and sums of
  squares leave the range of float16. Store with `.to(out_ptr.dtype.element_ty)`.
- Values may be large, tiny, all equal, or zero. Every call has new values; two calls with the same values have to give
  the same bits.
- The language is small: functions, assignments to names, if, for, while; `tl`, `triton.cdiv`, `triton.next_power_of_2`,
  `math`, `torch.empty`. No other import, no lists, dictionaries, comprehensions or f-strings, no classes, no try, no
  assignment to attributes or entries, no autotuning, no printing. At the top level only functions and constants.
- A kernel is launched by its own name, with its parameters and, if wanted, num_warps, num_stages, maxnreg; no `**`.
- Kernels are compiled for a GPU (compute capability 9.0) before they are interpreted: both have to accept them.
- At most 32768 elements in one load or store of a program. About {cpu_s:g} CPU seconds for all calls together.
"""
NOTES = (
    "It runs in Triton's interpreter on a CPU, and no time is measured. What counts is memory traffic: the 32-byte "
    "sectors that each load and store of each program touches; nothing is cached, so what two programs load counts "
    "twice. A launch counts at least {busy} times what its busiest program moves, so spread the work evenly over "
    "{busy} programs or more; each launch costs {share:.0%} of the least possible bytes. traffic_efficiency is the "
    "least possible over what was counted. Few launches, every element loaded once, and several rows in a program so "
    "that what they share is loaded once: these make it high."
)
