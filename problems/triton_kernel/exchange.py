"""What enters the sandbox and comes out: arenas in, arenas and counts out, checked for form. No torch.

The reference, the tolerance and the seed of the inputs never go in. Every case but the large ones is called twice, with
the other cases in between, on fresh copies of its memory; the two must agree to the last bit.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from problems.triton_kernel import launch_rules, traffic
from problems.triton_kernel.arena import Place
from problems.triton_kernel.judge import Call
from problems.triton_kernel.operation import Case, Operation
from tasks.contract import JSON, Cost, Failure, FailureKind, Finished, Job, Limits, Sandbox

INSIDE = Path(__file__).parent / "inside"
MEMORY = "memory"  # the file that comes out: every call's arena, one after the other, then those of the repetitions
#: Rules that the adapter finds broken while the program runs, and what that makes of the program.
REFUSALS = {
    "torch-operator": FailureKind.CHEATING,
    "out-of-bounds": FailureKind.INVALID,
    "large-tile": FailureKind.INVALID,
    "no-triton": FailureKind.INVALID,
    "kernel-argument": FailureKind.CHEATING,
    "nested-launch": FailureKind.INVALID,
}


@dataclass(frozen=True, slots=True)
class Ran:
    """What came out of a run: memory after each call, the first time and the second, and what was counted."""

    first: bytes
    second: bytes
    launches: tuple[tuple[traffic.Launch, ...], ...]
    counted: JSON
    logs: str
    cost: Cost


def run(code: str, operation: Operation, calls: Sequence[Call], limits: Limits, sandbox: Sandbox) -> Ran | Failure:
    """The program on all cases, in the interpreter, in a process of its own."""
    request = {"calls": [asked(operation, call) for call in calls]}
    done = sandbox.run(Job(code, INSIDE, "adapter:run", request, limits, profile="cpu-train"))
    return done if isinstance(done, Failure) else _read(done, calls)


def compiled(
    code: str, operation: Operation, cases: Sequence[Case], capability: int, limits: Limits, sandbox: Sandbox
) -> str | Failure | None:
    """Why the kernels that these cases launch do not compile for a GPU; None if they do. They are not run."""
    request = compilation(operation, cases, capability)
    done = sandbox.run(Job(code, INSIDE, "compiling:check", request, limits, profile="cpu-train"))
    if isinstance(done, Failure):
        return done
    if isinstance(done.answer, dict) and isinstance(done.answer.get("uncompiled"), str):
        return str(done.answer["uncompiled"])
    if isinstance(done.answer, dict) and done.answer.get("kernels"):
        return None
    return "launch ran no Triton kernel"


def compilation(operation: Operation, cases: Sequence[Case], capability: int) -> dict[str, JSON]:
    """What inside/compiling.py is asked for."""
    return {
        "capability": capability,
        "options": {name: list(numbers) for name, numbers in launch_rules.OPTIONS.items()},
        "cases": [
            {
                "dtype": case.dtype,
                "shapes": {argument.name: list(case.shape(argument)) for argument in operation.arguments},
                "strides": {argument.name: list(case.strides(argument)) for argument in operation.arguments},
                "scalars": {name: case.scalars[name] for name in operation.scalars},
            }
            for case in cases
        ],
    }


def files_mb(calls: Sequence[Call]) -> int:
    """How large what comes out may be."""
    return -(-sum(_sizes(calls)) // 2**20)


def _sizes(calls: Sequence[Call]) -> list[int]:
    return [call.before.raw.nbytes for call in (*calls, *repeated(calls))]


def repeated(calls: Sequence[Call]) -> tuple[Call, ...]:
    """Those that are called a second time."""
    return tuple(call for call in calls if not call.case.measured)


def asked(operation: Operation, call: Call) -> dict[str, JSON]:
    """A call as the inside takes it: its memory, and where the tensors are."""
    return {
        "memory": base64.b64encode(call.before.raw.tobytes()).decode("ascii"),
        "dtype": call.case.dtype,
        "tensors": {place.name: _where(place) for place in call.before.places},
        "repeated": not call.case.measured,
        "scalars": {name: call.case.scalars[name] for name in operation.scalars},
    }


def _where(place: Place) -> dict[str, JSON]:
    return {"offset": place.offset, "shape": list(place.shape), "strides": list(place.strides)}


def _read(done: Finished, calls: Sequence[Call]) -> Ran | Failure:
    if isinstance(done.answer, dict) and set(done.answer) == {"refused"}:
        return _refused(done.answer["refused"])
    content = done.files[MEMORY] if set(done.files) == {MEMORY} else b""
    if not isinstance(done.answer, dict) or set(done.answer) != {"launches"} or len(content) != sum(_sizes(calls)):
        return Failure(FailureKind.INVALID, "the run did not answer with its launches and the memory of every call")
    counted = done.answer["launches"]
    if not isinstance(counted, list) or len(counted) != len(calls):
        return Failure(FailureKind.INVALID, f"expected the launches of {len(calls)} calls")
    try:
        launches = tuple(traffic.read(entry) for entry in counted)
    except traffic.Unusable as error:
        return Failure(FailureKind.INVALID, str(error))
    first = sum(call.before.raw.nbytes for call in calls)
    logs = "\n".join(part for part in (done.stdout, done.stderr) if part)
    return Ran(content[:first], content[first:], launches, counted, logs, done.cost)


def _refused(found: JSON) -> Failure:
    if isinstance(found, list) and len(found) == 2 and found[0] in REFUSALS:
        return Failure(REFUSALS[str(found[0])], f"{found[0]}: {str(found[1])[:500]}")
    return Failure(FailureKind.INVALID, "the run was refused for no known reason")


def cut(content: bytes, calls: Sequence[Call]) -> tuple[bytes, ...]:
    """The memory of each call, one after the other."""
    parts, at = [], 0
    for call in calls:
        parts.append(content[at : at + call.before.raw.nbytes])
        at += call.before.raw.nbytes
    return tuple(parts)
