"""All tensors of a call in one piece of memory, with guards between them, made and checked outside the sandbox.

The arena is filled with a NaN whose bits are known; inputs are put in, outputs stay poisoned. It comes back after the
call as bytes. So it is seen outside, without believing anybody: what was not written, what was written out of bounds,
and whether an input changed. Rows that lie apart have poison between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from problems.triton_kernel import dtypes
from problems.triton_kernel.dtypes import Doubles, Kind
from problems.triton_kernel.operation import Case, Doubled, Operation

GUARD_BYTES = 512
ALIGNED_BYTES = 256
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor is: in elements from the arena's start."""

    name: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def cells(self) -> NDArray[np.int64]:
        """The arena's elements that the tensor consists of, in its shape."""
        cells = np.array(self.offset, dtype=np.int64)
        for size, stride in zip(self.shape, self.strides, strict=True):
            cells = cells[..., None] + stride * np.arange(size, dtype=np.int64)
        return cells


@dataclass(frozen=True, slots=True)
class Arena:
    """A case's tensors in memory, before a call."""

    kind: Kind
    places: tuple[Place, ...]
    raw: NDArray[np.generic]  # all of it, one entry per element of the case's type

    def place(self, name: str) -> Place:
        """Of the tensor of that name. Raises KeyError."""
        return {place.name: place for place in self.places}[name]

    def with_bytes(self, content: bytes) -> Arena:
        """The same layout with other contents. Raises ValueError for another size."""
        raw = np.frombuffer(content, dtype=self.kind.raw)
        if raw.shape != self.raw.shape:
            raise ValueError(f"expected {self.raw.nbytes} bytes of memory, got {len(content)}")
        return Arena(self.kind, self.places, raw)

    def values(self, name: str) -> Doubles:
        """What a tensor holds."""
        return dtypes.exact(self.raw[self.place(name).cells()], self.kind)

    def bits(self) -> NDArray[np.generic]:
        """The elements as whole numbers: NaN equals NaN there."""
        return self.raw.view(f"<u{self.kind.size}")


def lay_out(operation: Operation, case: Case, inputs: Doubled) -> Arena:
    """Poisoned memory with the inputs in it."""
    kind, at, places = case.kind, GUARD_BYTES, []
    for argument in operation.arguments:
        shape = case.shape(argument)
        strides = case.strides(argument)
        places.append(Place(argument.name, at // kind.size, shape, strides))
        at += kind.size * (strides[0] * shape[0] if len(shape) == 2 else prod(shape)) + GUARD_BYTES
        at += -at % ALIGNED_BYTES
    raw = np.repeat(dtypes.poison(kind), at // kind.size)
    arena = Arena(kind, tuple(places), raw)
    for name, values in inputs.items():
        raw[arena.place(name).cells()] = dtypes.rounded(values, kind)
    return arena
