"""The rung `gpu`: what has to be there, the jobs of a step in their order, and what is kept of them. Trusted; no torch.

Training records the program's launches (on the CPU), times the seed and eager torch in a job without the candidate,
then all three in turns in a second one, then the first again. Benchmarking compares and computes, and runs nothing.
"""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path

from problems.triton_kernel import catalogue, judge
from problems.triton_kernel.gpu import cases, exchange, plans, verdicts
from problems.triton_kernel.gpu.exchange import CANDIDATE, SEED, Setting, Timed, WrongForm
from problems.triton_kernel.gpu.plans import Plan
from problems.triton_kernel.gpu.verdicts import Alone
from problems.triton_kernel.operation import Case, Operation
from tasks.contract import (
    Artefact,
    Cost,
    Failure,
    FailureKind,
    Finished,
    Limits,
    MachineFault,
    Sandbox,
    Workspace,
    gpu_problem,
)

DRIVER = Path("/proc/driver/nvidia/version")
JOBS = 3
ALONE_BEFORE, BESIDE, ALONE_AFTER = "alone-before", "beside", "alone-after"


class NoGpu(MachineFault):
    """This machine cannot give a timing job what it takes."""

    may_pass = False


class GpuFault(MachineFault):
    """A timing job failed without a candidate in it, or its times do not agree with themselves."""


@dataclass(frozen=True, slots=True)
class Rung:
    """What a campaign chose."""

    operation: Operation
    cases: tuple[Case, ...]
    rounds: int
    capability: int
    tiny: bool = False  # few rows where answers are checked, for tests

    def setting(self, code: str, seed: int) -> Setting:
        """Of one program at one seed of the step."""
        checked = judge.calls(self.operation, seed, code, self.tiny)
        key = exchange.seed_of(code, seed)
        return Setting(self.operation, self.cases, self.rounds, key, self.capability, checked)


def require(rung: Rung) -> str:
    """What will be measured on what, in a line. Raises NoGpu, with the reason in a line."""
    if problem := gpu_problem(1) or torch_problem(importlib.metadata.version("torch")):
        raise NoGpu(f"{problem}; the rung `gpu` times kernels, and nothing is estimated without one")
    driver = DRIVER.read_text().splitlines()[0].strip() if DRIVER.exists() else "NVIDIA's driver, version unknown"
    versions = " and ".join(f"{name} {importlib.metadata.version(name)}" for name in ("triton", "torch"))
    return (
        f"fitness is the speed-up over the seed at {cases.described(rung.cases)}; kernels for compute capability "
        f"{rung.capability / 10:.1f}, {versions}, {driver}. This rung was never run on a GPU yet"
    )


def torch_problem(version: str) -> str:
    """Why no job can time with this torch, in a line; "" if nothing speaks against it.

    >>> torch_problem("2.13.0"), torch_problem("2.13.0+cu130")
    ('', '')
    """
    return f"torch {version} is built without CUDA" if version.endswith("+cpu") else ""


def train(
    code: str, seed: int, rung: Rung, limits: Limits, sandbox: Sandbox, workspace: Workspace
) -> tuple[tuple[Artefact, ...], Cost, str] | Failure:
    """Times of all jobs, with cost and logs; the rows stay in the workspace. Raises GpuFault."""
    setting = rung.setting(code, seed)
    own = _seed_plan(setting, limits, sandbox)
    recorded = plans.recorded(code, setting.operation, setting.planned, setting.capability, limits, sandbox)
    if isinstance(recorded, Failure):
        return recorded
    plan, cost = recorded
    artefacts, costs = [], [cost]
    for name, programs in (
        (ALONE_BEFORE, {SEED: own}),
        (BESIDE, {SEED: own, CANDIDATE: plan}),
        (ALONE_AFTER, {SEED: own}),
    ):
        done = exchange.run(programs, setting, sandbox)
        if isinstance(done, Failure) and name == BESIDE:
            done = exchange.run(programs, setting, sandbox)  # once more: a neighbour may have taken the GPU's memory
        if isinstance(done, Failure):
            return _attributed(name, done, own, setting, sandbox)
        if name != BESIDE:
            _require_capability(done, rung.capability)
        costs.append(exchange.cost(done))
        artefacts.append(_kept(name, done, workspace))
    require_fit(_alone(setting, workspace), setting)
    return tuple(artefacts), _sum(costs), _said(plan)


def _seed_plan(setting: Setting, limits: Limits, sandbox: Sandbox) -> Plan:
    """First of all: what does not record the seed is no candidate's fault. Raises GpuFault."""
    code = catalogue.seed(setting.operation.name)
    found = plans.recorded(code, setting.operation, setting.planned, setting.capability, limits, sandbox)
    if isinstance(found, Failure):
        raise GpuFault(f"the seed program's launches cannot be recorded here: {found.reason}")
    return found[0]


def _require_capability(done: Finished, wanted: int) -> None:
    """Raises NoGpu where kernels are compiled for another kind of GPU, GpuFault for no answer."""
    try:
        found = exchange.device(done.answer)
    except WrongForm as error:
        raise GpuFault(f"a timing job without a candidate gave no times: {error}") from None
    if found.capability != wanted:
        raise NoGpu(
            f"{found.name} has compute capability {found.capability / 10:.1f}, and kernels are compiled for "
            f"{wanted / 10:.1f}: set options.compute_capability = {found.capability}"
        )


def _attributed(name: str, failure: Failure, own: Plan, setting: Setting, sandbox: Sandbox) -> Failure:
    """A failure beside a candidate, twice, is the candidate's if the job without it works now. Raises GpuFault."""
    if name == BESIDE:
        again = exchange.run({SEED: own}, setting, sandbox)
        if isinstance(again, Finished):
            return Failure(failure.kind, f"its kernels failed on the GPU: {failure.reason}", failure.trace)
        failure = again
    raise GpuFault(f"timing does not work on this GPU, without a candidate in the job: {failure.reason}")


def _kept(name: str, done: Finished, workspace: Workspace) -> Artefact:
    """The times. Rows are for benchmarking alone: some 320 MB, which nobody wants copied to MLflow."""
    for file, content in sorted(done.files.items()):
        workspace.write(f"{name}-{file}.bin", content)
    told = {"answer": done.answer, "wall_s": done.cost.wall_s}
    return workspace.write(f"{name}.json", json.dumps(told).encode())


def _timed(name: str, contestants: tuple[str, ...], setting: Setting, workspace: Workspace) -> tuple[Timed, float]:
    """What a job gave, and how long it ran. Raises WrongForm."""
    told = json.loads(workspace.read(f"{name}.json"))
    wanted = [f"rows-{number}" for number in range(len(setting.cases))] + [f"checked-{each}" for each in contestants]
    there = [file for file in wanted if workspace.exists(f"{name}-{file}.bin")]
    files = {file: workspace.read(f"{name}-{file}.bin") for file in there}
    return exchange.read(told["answer"], files, contestants, setting), float(told["wall_s"])


def _alone(setting: Setting, workspace: Workspace) -> Alone:
    """The jobs without a candidate: what is wrong with them is the machine's. Raises GpuFault."""
    try:
        before, after = (_timed(name, (SEED,), setting, workspace)[0] for name in (ALONE_BEFORE, ALONE_AFTER))
    except WrongForm as error:
        raise GpuFault(f"a timing job without a candidate gave no times: {error}") from None
    return Alone(before, after)


def require_fit(alone: Alone, setting: Setting) -> None:
    """The seed is right, and the device steady. Raises GpuFault."""
    for each in (alone.before, alone.after):
        if said := verdicts.wrong(each, setting):
            raise GpuFault(f"a timing job without a candidate gave a wrong answer: {said}")
    if said := verdicts.unsteady(alone, setting):
        raise GpuFault(said)


def benchmark(
    code: str, seed: int, rung: Rung, workspace: Workspace
) -> tuple[dict[str, float], dict[str, object], str] | Failure:
    """Metrics, what each case gave, and a line for people. Raises GpuFault."""
    setting = rung.setting(code, seed)
    alone = _alone(setting, workspace)
    require_fit(alone, setting)
    try:
        beside, wall_s = _timed(BESIDE, (SEED, CANDIDATE), setting, workspace)
    except WrongForm as error:
        return Failure(FailureKind.INVALID, f"the timing job gave no times: {error}")
    if refused := verdicts.refusal(beside, alone, wall_s, setting):
        return refused
    metrics, breakdown = verdicts.measured(beside, alone, setting)
    return metrics, {**breakdown}, "\n".join(verdicts.described(metrics, alone.device, setting))


def _sum(costs: list[Cost]) -> Cost:
    return Cost(
        sum(each.cpu_s for each in costs),
        sum(each.wall_s for each in costs),
        sum(each.gpu_s for each in costs),
        max(each.peak_memory_mb for each in costs),
    )


def _said(plan: Plan) -> str:
    """The kernels as they were compiled."""
    kernels = plan["kernels"]
    assert isinstance(kernels, list)
    return "\n".join(f"compiled {json.dumps(kernel)}" for kernel in kernels)[:4000]
