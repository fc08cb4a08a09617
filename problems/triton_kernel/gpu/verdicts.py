"""Are times that came from a GPU believable, are the answers right, and what follows. Trusted and pure; no torch.

The contestants' launches ran without the candidate's Python, so what is left to doubt is what kernels can do to the
memory of their process. Hence everything is compared with a job in which no candidate was: the same seed and the same
eager torch, before and after, each in a process of its own.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from problems.triton_kernel import dtypes, judge, timing
from problems.triton_kernel.gpu.exchange import CANDIDATE, EAGER, FAULTS, SEED, CaseTimes, Device, Setting, Timed
from problems.triton_kernel.inside import draws
from problems.triton_kernel.operation import Case
from problems.triton_kernel.scoring import described as described_call
from tasks.contract import JSON, Failure, FailureKind

#: No device reads so much faster than it copies: vendors' peaks lie some 10 to 15% above what a copy reaches.
FASTER_THAN_COPY = 1.25
#: How far medians of the same launches may lie apart before and after; beyond, the device is busy or changes its clock.
UNSTEADY = 1.10
#: How far the seed and eager torch may be moved by a candidate beside them.
MOVED = 1.25
CLOCKS_MS = 0.05  # two clocks that start and stop one after the other


@dataclass(frozen=True, slots=True)
class Alone:
    """The jobs without a candidate, before and after."""

    before: Timed
    after: Timed

    @property
    def copied_bytes_per_ms(self) -> float:
        """The faster of the two."""
        return max(self.before.device.copied_bytes_per_ms, self.after.device.copied_bytes_per_ms)

    @property
    def device(self) -> Device:
        """The one of the job before."""
        return self.before.device


def unsteady(alone: Alone, setting: Setting) -> str:
    """Why this device is not fit for timings now, in a line; "" if it is."""
    if alone.before.device.name != alone.after.device.name:
        return f"two GPUs took part: {alone.before.device.name} and {alone.after.device.name}"
    for number, case in enumerate(setting.cases):
        for name in (SEED, EAGER):
            first, second = (_median_ms(each.cases[number], name) for each in (alone.before, alone.after))
            if max(first, second) > UNSTEADY * min(first, second):
                return (
                    f"the GPU is not steady: {name} took {first * 1e3:.1f} us at {case.name} before, and "
                    f"{second * 1e3:.1f} us after, with nothing else in its process"
                )
    return ""


def wrong(timed: Timed, setting: Setting) -> str:
    """What is wrong with the answers of any contestant, the candidate's first; "" if nothing is."""
    for contestant in _candidate_first(timed.checked):
        for call, memory in zip(setting.checked, timed.checked[contestant], strict=True):
            if said := judge.fault(setting.operation, call, memory):
                return f"{contestant}, on the GPU, {described_call(call)}: {said}"
    for number, case in enumerate(setting.cases):
        for contestant in _candidate_first(timed.cases[number].times):
            if said := _wrong(timed.cases[number], number, case, contestant, setting):
                return f"{case.name}: {said}"
    return ""


def _candidate_first(names: Mapping[str, object]) -> list[str]:
    return sorted(names, key=lambda name: (name != CANDIDATE, name))


def _wrong(found: CaseTimes, number: int, case: Case, contestant: str, setting: Setting) -> str:
    words = {"unwritten": "of its outputs were not written", "changed": "of its inputs were changed"}
    for fault in FAULTS:
        if count := found.faults[contestant][fault]:
            return f"{contestant}: {count} elements {words.get(fault, 'outside of the tensors were written')}"
    place = sorted(found.times).index(contestant)
    for round_number, tensors in enumerate(_records(found, place, case, setting)):
        keys = (setting.seed, number, round_number, place)
        if said := _compared(tensors, _inputs(case, keys, setting), case, setting):
            return f"{contestant}, round {round_number}: {said}"
    return ""


def _records(found: CaseTimes, place: int, case: Case, setting: Setting) -> Iterator[dict[str, dtypes.Raw]]:
    """What came back of a contestant's calls, round by round."""
    size, everybody = setting.record_bytes(case), len(found.times)
    for round_number in range(setting.rounds):
        at = size * (round_number * everybody + place)
        tensors = {}
        for argument in setting.operation.arguments:
            shape = setting.looked_at(case, argument.name)
            count = prod(shape)
            tensors[argument.name] = np.frombuffer(found.rows, case.kind.raw, count, at).reshape(shape)
            at += count * case.kind.size
        yield tensors


def _inputs(case: Case, keys: tuple[int, int, int, int], setting: Setting) -> dict[str, dtypes.Doubles]:
    """What was drawn for that call, in the rows that are looked at."""
    chosen = draws.rows(draws.key(*keys, draws.ROWS), setting.rows(case), case.sizes["M"])
    drawn = {}
    for number, argument in enumerate(setting.operation.arguments):
        if argument.role == "input":
            columns = case.shape(argument)[-1]
            matrix = len(argument.axes) == 2
            row_R1 = np.array(chosen if matrix else [0], dtype=np.int64)[:, None]
            column_1N = np.arange(columns, dtype=np.int64)[None, :]
            values = draws.values(draws.key(*keys, number), row_R1, column_1N, columns)
            drawn[argument.name] = values.astype(np.float64) if matrix else values[0].astype(np.float64)
    return drawn


def _compared(
    tensors: Mapping[str, dtypes.Raw], inputs: Mapping[str, dtypes.Doubles], case: Case, setting: Setting
) -> str:
    for name, values in inputs.items():
        if not np.array_equal(dtypes.exact(tensors[name], case.kind), values):
            return f"its input {name} is not what was drawn"
    for name, reference in setting.operation.reference(inputs, case.scalars).items():
        found = dtypes.exact(tensors[name], case.kind)
        with np.errstate(invalid="ignore"):
            near = np.abs(found - reference) <= dtypes.tolerance(reference, case.kind)
        if not near.all():
            return f"{int((~near).sum())} of {near.size} elements of {name} that were looked at are wrong"
    return ""


def refusal(beside: Timed, alone: Alone, wall_s: float, setting: Setting) -> Failure | None:
    """Why a candidate that was timed gets no score, or None. `wall_s`: how long its job ran, by our own clock."""
    if beside.device.name != alone.device.name:
        return Failure(FailureKind.INVALID, "its job named another GPU than the jobs without it")
    if said := wrong(beside, setting):
        return Failure(FailureKind.INVALID, said)
    if said := impossible(beside, alone, wall_s, setting):
        return Failure(FailureKind.CHEATING, said)
    if said := _moved(beside, alone, setting):
        return Failure(FailureKind.INVALID, said)
    return None


def impossible(beside: Timed, alone: Alone, wall_s: float, setting: Setting) -> str:
    """Why these cannot be the times of right answers; "" if they can."""
    host_ms = sum(took.host_ms for each in beside.cases for times in each.times.values() for took in times)
    if host_ms > 1e3 * wall_s:
        return f"the calls are said to have taken {host_ms / 1e3:.1f} s, and the whole job ran for {wall_s:.1f} s"
    for found, case in zip(beside.cases, setting.cases, strict=True):
        floor_ms = setting.operation.read_bytes(case) / (FASTER_THAN_COPY * alone.copied_bytes_per_ms)
        for name, times in found.times.items():
            least = min(took.device_ms for took in times)
            if least < floor_ms:
                return (
                    f"{case.name}: {name} took {least * 1e3:.2f} us, and this GPU needs {floor_ms * 1e3:.2f} us to "
                    "read the inputs once: the time is false"
                )
            if any(took.device_ms > took.host_ms + CLOCKS_MS for took in times):
                return f"{case.name}: a call of {name} took longer on the device than the clock of the host went on"
    return ""


def _moved(beside: Timed, alone: Alone, setting: Setting) -> str:
    """What runs beside a candidate must not become slower or faster by it, or a speed-up over it means nothing."""
    for number, case in enumerate(setting.cases):
        for name in (SEED, EAGER):
            here = _median_ms(beside.cases[number], name)
            there = [_median_ms(each.cases[number], name) for each in (alone.before, alone.after)]
            if not min(there) / MOVED <= here <= max(there) * MOVED:
                return (
                    f"{case.name}: {name} took {here * 1e3:.1f} us beside this program, and {there[0] * 1e3:.1f} and "
                    f"{there[1] * 1e3:.1f} us in processes without it"
                )
    return ""


def _median_ms(found: CaseTimes, name: str) -> float:
    return statistics.median(took.device_ms for took in found.times[name])


def measured(beside: Timed, alone: Alone, setting: Setting) -> tuple[dict[str, float], dict[str, JSON]]:
    """Metrics as geometric means over the cases, and what each of them gave."""
    rows = [_row(beside.cases[number], number, alone, setting) for number in range(len(setting.cases))]
    metrics = {name: statistics.geometric_mean([row[name] for row in rows]) for name in rows[0]}
    return metrics, {case.name: dict(row) for case, row in zip(setting.cases, rows, strict=True)}


def level(setting: Setting) -> float:
    """Of each case's interval, so that all of them cover their medians together in 95 of 100 comparisons."""
    return 1.0 - 0.05 / len(setting.cases)


def _row(found: CaseTimes, number: int, alone: Alone, setting: Setting) -> dict[str, float]:
    times = {name: [took.device_ms for took in each] for name, each in found.times.items()}
    over = {name: timing.speed_up(times[name], times[CANDIDATE], level(setting)) for name in (SEED, EAGER)}
    share = {name: _not_slowed(found, number, name, alone) for name in over}
    took_ms = statistics.median(times[CANDIDATE])
    copied_ms = setting.operation.floor_bytes(setting.cases[number]) / alone.copied_bytes_per_ms
    return {
        "speedup": share[SEED] * over[SEED].value,
        "speedup_low": share[SEED] * over[SEED].low,
        "speedup_high": share[SEED] * over[SEED].high,
        "speedup_over_eager": share[EAGER] * over[EAGER].value,
        "time_us": 1e3 * took_ms,
        "seed_time_us": 1e3 * statistics.median(times[SEED]),
        "floor_fraction": copied_ms / took_ms,
    }


def _not_slowed(found: CaseTimes, number: int, name: str, alone: Alone) -> float:
    """What is left of a speed-up over something that is slower beside the candidate than without it."""
    without = max(_median_ms(each.cases[number], name) for each in (alone.before, alone.after))
    return min(1.0, without / _median_ms(found, name))


def spread(low: float, high: float, cases: int) -> float:
    """The standard error whose normal interval, at the level of one case, is as wide as this one."""
    return (high - low) / (2.0 * statistics.NormalDist().inv_cdf(1.0 - 0.025 / cases))


def described(metrics: Mapping[str, float], device: Device, setting: Setting) -> Sequence[str]:
    """In words, for logs."""
    low, high = metrics["speedup_low"], metrics["speedup_high"]
    return (
        f"{device.name}, torch {device.torch}, {setting.rounds} rounds in turns with the seed and eager torch",
        f"{metrics['speedup']:.3f} times the seed [{low:.3f}, {high:.3f}], "
        f"{metrics['speedup_over_eager']:.3f} times eager torch, {metrics['floor_fraction']:.2f} of the floor",
    )
