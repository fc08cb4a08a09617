"""What an operation has to say about itself: its tensors, its float64 reference, its cases. One small folder each.

An operation is elementwise or row by row on [M, N]; its outputs have fixed shapes. Bytes that have to move and
operations that have to be done follow from the tensors: every input read once, every output written once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Literal

import numpy as np

from problems.triton_kernel.dtypes import KINDS, Doubles, Kind

Role = Literal["input", "output"]
Doubled = Mapping[str, Doubles]


@dataclass(frozen=True, slots=True)
class Argument:
    """A tensor argument of `launch`. `axes` names its shape in letters of the case's sizes."""

    name: str
    role: Role
    axes: str


@dataclass(frozen=True, slots=True)
class Case:
    """One call: sizes, type, kind of values. `apart`: so many unused elements between the rows of every matrix."""

    name: str
    sizes: Mapping[str, int]
    dtype: str
    values: str
    apart: int = 0
    scalars: Mapping[str, float] = field(default_factory=dict)
    measured: bool = False  # its traffic counts, and its sizes are the same for every candidate

    @property
    def kind(self) -> Kind:
        """The type of its tensors."""
        return KINDS[self.dtype]

    def shape(self, argument: Argument) -> tuple[int, ...]:
        """Of one argument in this case."""
        return tuple(self.sizes[axis] for axis in argument.axes)

    def strides(self, argument: Argument) -> tuple[int, ...]:
        """In elements: rows are adjacent, or `apart`."""
        shape = self.shape(argument)
        return (shape[-1] + self.apart, 1) if len(shape) == 2 else (1,)

    def extent(self, argument: Argument) -> int:
        """Elements from the first one of an argument to its last."""
        return 1 + sum((n - 1) * stride for n, stride in zip(self.shape(argument), self.strides(argument), strict=True))


@dataclass(frozen=True, slots=True)
class Operation:
    """Everything that the domain needs to know of an operation.

    `draw` makes the inputs of a case in float64; the domain rounds them to the case's type before anybody uses them.
    `reference` gives the outputs for rounded inputs. `flops` counts what one call has to compute at least.
    """

    name: str
    signature: str  # as a candidate writes it: launch(x, ..., out)
    title: str
    formula: str
    arguments: tuple[Argument, ...]
    scalars: tuple[str, ...]
    draw: Callable[[Case, np.random.Generator], Doubled]
    reference: Callable[[Doubled, Mapping[str, float]], Doubled]
    cases: Callable[[np.random.Generator], Sequence[Case]]
    flops: Callable[[Mapping[str, int]], int]
    eager: str  # the name of the torch operation that timings are compared with (inside/eager.py)

    @property
    def inputs(self) -> tuple[Argument, ...]:
        """The tensors that must not change."""
        return tuple(a for a in self.arguments if a.role == "input")

    @property
    def outputs(self) -> tuple[Argument, ...]:
        """The tensors that `launch` fills."""
        return tuple(a for a in self.arguments if a.role == "output")

    def floor_bytes(self, case: Case) -> int:
        """What has to move at least: (bytes read, bytes written) together."""
        return self.read_bytes(case) + self.written_bytes(case)

    def read_bytes(self, case: Case) -> int:
        """Every input once."""
        return sum(case.kind.size * prod(case.shape(a)) for a in self.inputs)

    def written_bytes(self, case: Case) -> int:
        """Every output once."""
        return sum(case.kind.size * prod(case.shape(a)) for a in self.outputs)
