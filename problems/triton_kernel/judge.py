"""Is a call's memory, as it came back, what it has to be? Trusted, outside the sandbox, against float64. No torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from problems.triton_kernel import dtypes
from problems.triton_kernel.arena import Arena, lay_out
from problems.triton_kernel.operation import Case, Operation

TINY = 1500  # elements of a matrix, in tests


@dataclass(frozen=True, slots=True)
class Call:
    """A case with its memory before the call."""

    case: Case
    before: Arena


def calls(operation: Operation, seed: int, code: str, tiny: bool = False) -> tuple[Call, ...]:
    """The calls of one run, from a seed that the program cannot know: its own text is part of it."""
    text = f"{operation.name}/{seed}/{code}"
    rng = np.random.default_rng(list(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()))
    cases = [_tiny(case) if tiny else case for case in operation.cases(rng)]
    return tuple(Call(case, lay_out(operation, case, operation.draw(case, rng))) for case in cases if case is not None)


def _tiny(case: Case) -> Case | None:
    """Eight short rows where traffic is measured, at most three else; no long rows there."""
    if case.measured:
        return replace(case, sizes={"M": 8, "N": case.sizes["N"] // 4})
    small = replace(case, sizes={**case.sizes, "M": min(3, case.sizes["M"])})
    return small if prod(small.sizes.values()) <= TINY else None


def fault(operation: Operation, call: Call, content: bytes) -> str | None:
    """What is wrong with the memory after the call, or None. Raises ValueError if its size is not the layout's."""
    after = call.before.with_bytes(content)
    return (
        _unchanged(operation, call.before, after)
        or _written(operation, call.before, after)
        or _exact(operation, call, after)
    )


def largest_error(operation: Operation, call: Call, content: bytes) -> float:
    """The largest distance from the reference, in parts of what is allowed. For memory without a fault."""
    after, expected = call.before.with_bytes(content), _expected(operation, call)
    shares = []
    for name, reference in expected.items():
        allowed = dtypes.tolerance(reference, call.case.kind)
        shares.append(float((np.abs(after.values(name) - reference) / allowed).max()))
    return max(shares)


def _expected(operation: Operation, call: Call) -> dict[str, dtypes.Doubles]:
    inputs = {argument.name: call.before.values(argument.name) for argument in operation.inputs}
    return dict(operation.reference(inputs, call.case.scalars))


def _unchanged(operation: Operation, before: Arena, after: Arena) -> str | None:
    """Everything but the outputs: the inputs, and what lies between tensors and rows."""
    differs = before.bits() != after.bits()
    for argument in operation.inputs:
        if differs[before.place(argument.name).cells()].any():
            return f"the input {argument.name} was changed"
    for argument in operation.outputs:
        differs[before.place(argument.name).cells()] = False
    if differs.any():
        return f"{int(differs.sum())} elements outside of the tensors were written"
    return None


def _written(operation: Operation, before: Arena, after: Arena) -> str | None:
    for argument in operation.outputs:
        cells = before.place(argument.name).cells()
        untouched = int((before.bits()[cells] == after.bits()[cells]).sum())
        if untouched:
            return f"{untouched} of {cells.size} elements of {argument.name} were not written"
    return None


def _exact(operation: Operation, call: Call, after: Arena) -> str | None:
    for name, reference in _expected(operation, call).items():
        found = after.values(name)
        with np.errstate(invalid="ignore"):
            near = np.abs(found - reference) <= dtypes.tolerance(reference, call.case.kind)
        if not near.all():
            place = tuple(int(axis) for axis in np.argwhere(~near)[0])
            return (
                f"{int((~near).sum())} of {near.size} elements of {name} are wrong; the first at {place}: "
                f"expected {reference[place]:.6g}, got {found[place]:.6g}"
            )
    return None
