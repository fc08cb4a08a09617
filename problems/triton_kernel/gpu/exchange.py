"""A timing job on the GPU and what it answers, checked for form. No torch.

Nothing of a candidate's Python goes into the job: plans do (plans.py). Inputs and rows come from the step's seed and
the program's text, so no plan could know them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, prod

from problems.triton_kernel.exchange import INSIDE, asked, cut
from problems.triton_kernel.gpu import cases as timed_cases
from problems.triton_kernel.gpu.plans import Plan
from problems.triton_kernel.judge import Call
from problems.triton_kernel.operation import Case, Operation
from tasks.contract import JSON, Cost, Failure, Finished, Job, Limits, Sandbox

WARM_UP = 3  # rounds that are run and not counted
EAGER, SEED, CANDIDATE = "eager", "seed", "candidate"
FAULTS = ("unwritten", "changed", "outside")
WALL_S = 300.0  # of one job
HOST_MB = 16_384


class WrongForm(ValueError):
    """An answer that is none."""


@dataclass(frozen=True, slots=True)
class Device:
    """What a job says of its GPU."""

    name: str
    capability: int
    torch: str
    copied_bytes_per_ms: float


@dataclass(frozen=True, slots=True)
class Took:
    """One timed call, on the device's clock and on the host's, which began before it and stopped after it."""

    device_ms: float
    host_ms: float


@dataclass(frozen=True, slots=True)
class CaseTimes:
    """One case: times by contestant and round, faults by contestant, and the rows that came back."""

    times: Mapping[str, tuple[Took, ...]]
    faults: Mapping[str, Mapping[str, int]]
    rows: bytes


@dataclass(frozen=True, slots=True)
class Setting:
    """What a job is asked for, beside the plans."""

    operation: Operation
    cases: tuple[Case, ...]
    rounds: int
    seed: int
    capability: int
    checked: tuple[Call, ...] = ()  # smaller calls of odd sizes, run once, whose whole memory comes back

    @property
    def planned(self) -> tuple[Case, ...]:
        """What plans are made for: the timed cases, then the checked ones."""
        return (*self.cases, *(call.case for call in self.checked))

    @property
    def checked_bytes(self) -> int:
        """Of the memory of all checked calls."""
        return sum(call.before.raw.nbytes for call in self.checked)

    def rows(self, case: Case) -> int:
        """Looked at in every call."""
        return timed_cases.rows(self.operation, case)

    def record_bytes(self, case: Case) -> int:
        """What comes back of one call."""
        return sum(case.kind.size * prod(self.looked_at(case, a.name)) for a in self.operation.arguments)

    def looked_at(self, case: Case, name: str) -> tuple[int, ...]:
        """The shape of what comes back of a tensor: some rows of a matrix, all of a vector."""
        argument = next(a for a in self.operation.arguments if a.name == name)
        shape = case.shape(argument)
        return (self.rows(case), shape[1]) if len(shape) == 2 else shape


@dataclass(frozen=True, slots=True)
class Timed:
    """What one job gave."""

    device: Device
    cases: tuple[CaseTimes, ...]
    checked: Mapping[str, tuple[bytes, ...]]  # by contestant, of each checked call its memory afterwards


def seed_of(code: str, seed: int) -> int:
    """A number that a program cannot know: its own text is part of it."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{code}".encode("utf-8", "surrogatepass")).digest()[:16], "little")


def run(programs: Mapping[str, Plan], setting: Setting, sandbox: Sandbox) -> Finished | Failure:
    """These contestants and eager torch, in a process of their own that holds one GPU."""
    calls = len(programs) + 1
    looked_at = sum(setting.rounds * calls * setting.record_bytes(case) for case in setting.cases)
    files_mb = 1 + (looked_at + len(programs) * setting.checked_bytes) // 2**20
    limits = Limits(2.0 * WALL_S, WALL_S, HOST_MB, processes=1024, disk_mb=64, files_mb=files_mb)
    return sandbox.run(Job("", INSIDE, "replaying:compare", _request(programs, setting), limits, "gpu-train", gpus=1))


def _request(programs: Mapping[str, Plan], setting: Setting) -> JSON:
    return {
        "operation": setting.operation.eager,
        "programs": {name: dict(plan) for name, plan in programs.items()},
        "cases": [_case(setting, case) for case in setting.cases],
        "checked": [asked(setting.operation, call) for call in setting.checked],
        "rounds": setting.rounds,
        "warm_up": WARM_UP,
        "seed": setting.seed,
        "capability": setting.capability,
    }


def _case(setting: Setting, case: Case) -> JSON:
    return {
        "dtype": case.dtype,
        "arguments": [
            {"name": a.name, "role": a.role, "shape": list(case.shape(a))} for a in setting.operation.arguments
        ],
        "scalars": {name: case.scalars[name] for name in setting.operation.scalars},
        "rows": setting.rows(case),
    }


def read(answer: JSON, files: Mapping[str, bytes], names: Sequence[str], setting: Setting) -> Timed:
    """The answer of a job with these contestants. Raises WrongForm."""
    found = _fields(answer, {"device", "cases"})
    cases = found["cases"]
    if not isinstance(cases, list) or len(cases) != len(setting.cases):
        raise WrongForm(f"expected {len(setting.cases)} cases")
    everybody = sorted({*names, EAGER})
    read_cases = []
    for number, (entry, case) in enumerate(zip(cases, setting.cases, strict=True)):
        rows = files.get(f"rows-{number}", b"")
        if len(rows) != setting.rounds * len(everybody) * setting.record_bytes(case):
            raise WrongForm(f"{case.name}: the rows of {setting.rounds} rounds are not all there")
        read_cases.append(_case_times(entry, everybody, setting.rounds, rows))
    checked = {}
    for name in sorted(names):
        memory = files.get(f"checked-{name}", b"")
        if len(memory) != setting.checked_bytes:
            raise WrongForm(f"the memory of {len(setting.checked)} checked calls is not all there")
        checked[name] = cut(memory, setting.checked)
    return Timed(device(found), tuple(read_cases), checked)


def _case_times(entry: JSON, names: Sequence[str], rounds: int, rows: bytes) -> CaseTimes:
    found = _fields(entry, {"times", "faults"})
    times, faults = _fields(found["times"], set(names)), _fields(found["faults"], set(names))
    return CaseTimes(
        {name: _times(times[name], rounds) for name in names}, {name: _faults(faults[name]) for name in names}, rows
    )


def _times(entry: JSON, rounds: int) -> tuple[Took, ...]:
    if not isinstance(entry, list) or len(entry) != rounds:
        raise WrongForm(f"expected times of {rounds} rounds")
    return tuple(_took(each) for each in entry)


def _took(entry: JSON) -> Took:
    if not isinstance(entry, list) or len(entry) != 2:
        raise WrongForm("a call has a time on the device and one on the host")
    device_ms, host_ms = (_positive(each) for each in entry)
    return Took(device_ms, host_ms)


def _faults(entry: JSON) -> Mapping[str, int]:
    found = _fields(entry, set(FAULTS))
    counts = {name: found[name] for name in FAULTS}
    if not all(type(count) is int and count >= 0 for count in counts.values()):
        raise WrongForm("faults are counted in whole numbers")
    return {name: int(str(count)) for name, count in counts.items()}


def device(answer: JSON) -> Device:
    """Of any answer, also where nothing was timed. Raises WrongForm."""
    entry = _fields(answer, {"device", "cases"})["device"]
    found = _fields(entry, {"name", "capability", "torch", "copied_bytes_per_ms"})
    if type(found["capability"]) is not int:
        raise WrongForm("a compute capability is a whole number")
    name, version = str(found["name"])[:100], str(found["torch"])[:40]
    return Device(name, found["capability"], version, _positive(found["copied_bytes_per_ms"]))


def _positive(entry: JSON) -> float:
    if type(entry) not in (int, float) or not isfinite(float(str(entry))) or float(str(entry)) <= 0.0:
        raise WrongForm("expected a finite number above 0")
    return float(str(entry))


def _fields(entry: JSON, names: set[str]) -> dict[str, JSON]:
    if not isinstance(entry, dict) or set(entry) != names:
        raise WrongForm(f"expected {', '.join(sorted(names))}")
    return entry


def cost(done: Finished) -> Cost:
    """With the GPU that was held all the while."""
    spent = done.cost
    return Cost(spent.cpu_s, spent.wall_s, spent.wall_s, spent.peak_memory_mb)
