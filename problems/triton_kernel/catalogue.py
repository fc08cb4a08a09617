"""The operations that there are, by name, and their seed programs. A further one is a folder and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from problems.triton_kernel.add_rms_norm.operation import OPERATION as ADD_RMS_NORM
from problems.triton_kernel.operation import Operation
from problems.triton_kernel.softmax.operation import OPERATION as SOFTMAX

HERE = Path(__file__).parent
OPERATIONS: Mapping[str, Operation] = {each.name: each for each in (ADD_RMS_NORM, SOFTMAX)}


def operation(name: str) -> Operation:
    """The operation of that name. Raises KeyError."""
    return OPERATIONS[name]


def seed(name: str) -> str:
    """A plain, correct program for it."""
    return (HERE / name / "seed.py").read_text(encoding="utf-8")


def arguments(of: Operation) -> tuple[str, ...]:
    """The names of launch's arguments, in order.

    >>> arguments(operation("add_rms_norm"))
    ('x', 'residual', 'weight', 'eps', 'out', 'summed')
    """
    inside = of.signature.partition("(")[2].rstrip(")")
    return tuple(name.strip() for name in inside.split(","))
