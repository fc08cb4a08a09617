"""What a program launches, as a plan that is replayed without the program: recorded in the sandbox, read here.

A plan is what the candidate's process says, so everything in it is bounded and has to lie within the tensors. It cannot
lie about results: it is run on inputs that did not exist when it was made. No torch.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isfinite

from problems.triton_kernel.exchange import INSIDE, compilation
from problems.triton_kernel.operation import Case, Operation
from tasks.contract import JSON, Cost, Failure, FailureKind, Finished, Job, Limits, Sandbox

MOST_KERNELS, MOST_LAUNCHES = 256, 256
MOST_BINARY_BYTES, FILES_MB = 2**20, 16
MACHINE_CODE = b"\x7fELF"  # the driver would also take text, and compile it in the process that times
MOST_SCRATCH_BYTES = 2**32  # of a case, all pieces together
MOST_SHARED_BYTES = 227 * 1024
MOST_PROGRAMS = (2**31 - 1, 65_535, 65_535)  # CUDA's own limits of a grid
POINTERS = ("*fp32", "*fp16", "*bf16", "*i32", "*i64", "*u8")
TYPES = (*POINTERS, "i1", "i32", "i64", "fp32")
Plan = dict[str, JSON]  # as inside/replaying.py takes it: kernels, binaries, and a plan for each case


class Unusable(ValueError):
    """What was recorded is not a plan."""


def recorded(
    code: str, operation: Operation, cases: Sequence[Case], capability: int, limits: Limits, sandbox: Sandbox
) -> tuple[Plan, Cost] | Failure:
    """The program's plan for these cases, and what recording it took."""
    asked, larger = compilation(operation, cases, capability), replace(limits, files_mb=FILES_MB)
    done = sandbox.run(Job(code, INSIDE, "compiling:record", asked, larger, profile="cpu-train"))
    if isinstance(done, Failure):
        return done
    try:
        return read(done, operation, cases), done.cost
    except Unusable as error:
        return Failure(FailureKind.INVALID, f"what the program launches cannot be timed: {error}")


def read(done: Finished, operation: Operation, cases: Sequence[Case]) -> Plan:
    """Raises Unusable."""
    answer = done.answer
    if isinstance(answer, dict) and isinstance(answer.get("uncompiled"), str):
        raise Unusable(str(answer["uncompiled"])[:500])
    if answer == {"kernels": []}:
        raise Unusable("launch ran no Triton kernel")
    if not isinstance(answer, dict) or set(answer) != {"kernels", "plans"}:
        raise Unusable("the recording did not answer with kernels and plans")
    kernels = _list(answer["kernels"], MOST_KERNELS, "kernels")
    plans = _list(answer["plans"], len(cases), "plans")
    if not kernels or len(plans) != len(cases):
        raise Unusable(f"expected kernels, and a plan for each of {len(cases)} cases")
    types = [_kernel(each) for each in kernels]
    for plan, case in zip(plans, cases, strict=True):
        _plan(plan, types, operation, case)
    return {"kernels": kernels, "binaries": _binaries(done.files, len(kernels)), "plans": plans}


def _binaries(files: Mapping[str, bytes], count: int) -> list[JSON]:
    names = [f"kernel-{number}" for number in range(count)]
    if set(files) != set(names) or not all(len(files[name]) <= MOST_BINARY_BYTES for name in names):
        raise Unusable("the compiled kernels are not there, or are too large")
    if not all(files[name].startswith(MACHINE_CODE) for name in names):
        raise Unusable("a compiled kernel is no machine code")
    return [base64.b64encode(files[name]).decode("ascii") for name in names]


def _kernel(kernel: JSON) -> list[str]:
    """The types of its arguments."""
    found = _fields(kernel, {"name", "shared_bytes", "warps", "types", "constants"})
    types = _list(found["types"], 256, "types of a kernel")
    if not isinstance(found["name"], str) or not found["name"].isidentifier() or len(found["name"]) > 200:
        raise Unusable("a kernel has no name")
    _whole(found["shared_bytes"], 0, MOST_SHARED_BYTES)
    _whole(found["warps"], 1, 32)
    if not isinstance(found["constants"], dict) or not all(kind in TYPES for kind in types):
        raise Unusable("a kernel has arguments of unknown types")
    return [str(kind) for kind in types]


def _plan(plan: JSON, types: Sequence[list[str]], operation: Operation, case: Case) -> None:
    found = _fields(plan, {"launches", "scratch"})
    scratch = [_whole(size, 0, MOST_SCRATCH_BYTES) for size in _list(found["scratch"], 256, "pieces of scratch")]
    if sum(scratch) > MOST_SCRATCH_BYTES:
        raise Unusable(f"{sum(scratch)} bytes of scratch, and at most {MOST_SCRATCH_BYTES} can be had")
    launches = _list(found["launches"], MOST_LAUNCHES, "launches")
    if not launches:
        raise Unusable(f"nothing is launched for {case.name}")
    sizes = {a.name: case.kind.size * case.extent(a) for a in operation.arguments}
    for launch in launches:
        _launch(launch, types, sizes, scratch)


def _launch(launch: JSON, types: Sequence[list[str]], sizes: Mapping[str, int], scratch: Sequence[int]) -> None:
    found = _fields(launch, {"kernel", "grid", "arguments"})
    wanted = types[_whole(found["kernel"], 0, len(types) - 1)]
    grid, arguments = _list(found["grid"], 3, "sizes of a grid"), _list(found["arguments"], 256, "arguments")
    if len(grid) != 3 or len(arguments) != len(wanted):
        raise Unusable("a launch has a grid of another form, or other arguments than its kernel")
    for size, most in zip(grid, MOST_PROGRAMS, strict=True):
        _whole(size, 1, most)
    for argument, kind in zip(arguments, wanted, strict=True):
        parts = _list(argument, 3, "parts of an argument")
        if len(parts) != (3 if kind in POINTERS else 2):
            raise Unusable("a launch gives a number for a pointer, or a pointer for a number")
        if kind in POINTERS:
            _pointer(parts, sizes, scratch)
        else:
            _number(parts, kind)


def _pointer(parts: Sequence[JSON], sizes: Mapping[str, int], scratch: Sequence[int]) -> None:
    kind, what, offset = parts
    if kind == "tensor" and isinstance(what, str) and what in sizes:
        _whole(offset, 0, sizes[what])
    elif kind == "scratch":
        _whole(offset, 0, scratch[_whole(what, 0, len(scratch) - 1)])
    else:
        raise Unusable("a pointer into no tensor")


def _number(parts: Sequence[JSON], kind: str) -> None:
    fits: Mapping[str, Callable[[JSON], bool]] = {
        "i1": lambda value: isinstance(value, bool),
        "i32": lambda value: type(value) is int and -(2**31) <= value < 2**31,
        "i64": lambda value: type(value) is int and -(2**63) <= value < 2**63,
        "fp32": lambda value: type(value) in (int, float) and isfinite(float(str(value))),
    }
    if parts[0] != "number" or not fits[kind](parts[1]):
        raise Unusable(f"a launch gives something else than a {kind}")


def _fields(entry: JSON, names: set[str]) -> dict[str, JSON]:
    if not isinstance(entry, dict) or set(entry) != names:
        raise Unusable(f"expected {', '.join(sorted(names))}")
    return entry


def _list(entry: JSON, most: int, what: str) -> list[JSON]:
    if not isinstance(entry, list) or len(entry) > most:
        raise Unusable(f"expected at most {most} {what}")
    return entry


def _whole(entry: JSON, low: int, high: int) -> int:
    if type(entry) is not int or not low <= entry <= high:
        raise Unusable(f"expected a whole number from {low} to {high}")
    return entry
