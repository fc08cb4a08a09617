"""From memory that came back and counts to metrics: is it right, repeatable and possible; how much moved. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from math import prod

from problems.triton_kernel import judge, traffic
from problems.triton_kernel.judge import Call
from problems.triton_kernel.operation import Operation
from problems.triton_kernel.traffic import Launch
from tasks.contract import JSON, Failure, FailureKind

METRICS = ("traffic_efficiency", "bytes_per_element", "floor_bytes_per_element", "launches", "programs")


def refusal(
    operation: Operation,
    calls: Sequence[Call],
    first: Sequence[bytes],
    second: Mapping[str, bytes],
    launches: Sequence[Sequence[Launch]],
) -> Failure | None:
    """Why a run gets no score, or None. `second` is the memory of repeated calls, by the case's name."""
    for call, memory in zip(calls, first, strict=True):
        if wrong := judge.fault(operation, call, memory):
            return Failure(FailureKind.INVALID, f"{described(call)}: {wrong}")
    for call, memory in zip(calls, first, strict=True):
        if memory != second.get(call.case.name, memory):
            return Failure(
                FailureKind.INVALID, f"{described(call)}: the same inputs gave another answer the second time"
            )
    for call, counted in zip(calls, launches, strict=True):
        reads, writes = operation.read_bytes(call.case), operation.written_bytes(call.case)
        if call.case.measured and (reason := traffic.impossible(counted, reads, writes)):
            return Failure(FailureKind.CHEATING, f"{described(call)}: {reason}")
    return None


def measured(
    operation: Operation, calls: Sequence[Call], first: Sequence[bytes], launches: Sequence[Sequence[Launch]]
) -> tuple[dict[str, float], dict[str, JSON]]:
    """Metrics as means over the measured cases, and what each of them gave."""
    rows = {
        call.case.name: _row(operation, call, counted)
        for call, counted in zip(calls, launches, strict=True)
        if call.case.measured
    }
    metrics = {name: statistics.fmean(row[name] for row in rows.values()) for name in METRICS}
    errors = [judge.largest_error(operation, call, memory) for call, memory in zip(calls, first, strict=True)]
    return {**metrics, "largest_error": max(errors)}, {name: dict(row) for name, row in rows.items()}


def _row(operation: Operation, call: Call, launches: Sequence[Launch]) -> dict[str, float]:
    floor, elements = operation.floor_bytes(call.case), prod(call.case.sizes.values())
    return {
        "traffic_efficiency": traffic.efficiency(launches, floor),
        "bytes_per_element": traffic.moved_bytes(launches) / elements,
        "floor_bytes_per_element": floor / elements,
        "launches": float(len(launches)),
        "programs": float(sum(launch.programs for launch in launches)),
    }


def described(call: Call) -> str:
    """A case in a few words, without its values."""
    sizes = " x ".join(str(size) for size in call.case.sizes.values())
    apart = ", rows apart" if call.case.apart else ""
    return f"{call.case.name} ({sizes} {call.case.dtype}, {call.case.values} values{apart})"
