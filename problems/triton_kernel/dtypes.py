"""The three floating-point types of a kernel's tensors, in numpy: to bytes, from bytes to float64, and how exact.

numpy has no bfloat16: its upper 16 bits of a float32 are handled as whole numbers here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Raw = NDArray[np.generic]

#: How many roundings in the tensors' own type an element may have seen. Three come from an output computed through a
#: stored intermediate; Triton's interpreter cuts bfloat16 off instead of rounding it, which counts twice.
ROUNDINGS = 4
#: The same for what is computed in float32 on the way: sums over a row, exponentials of large differences.
FLOAT32_ROUNDINGS = 256
FLOAT32_UNIT = 2.0**-24


@dataclass(frozen=True, slots=True)
class Kind:
    """A type: `raw` is how numpy holds its bits, `unit` half of the distance from 1 to the next larger number."""

    name: str
    raw: str
    unit: float
    smallest: float  # below this, numbers are allowed to vanish

    @property
    def size(self) -> int:
        """Bytes of one number."""
        return np.dtype(self.raw).itemsize


KINDS: Mapping[str, Kind] = {
    "float32": Kind("float32", "<f4", 2.0**-24, 2.0**-126),
    "float16": Kind("float16", "<f2", 2.0**-11, 2.0**-23),
    "bfloat16": Kind("bfloat16", "<u2", 2.0**-8, 2.0**-126),
}


def rounded(values: Doubles, kind: Kind) -> Raw:
    """The nearest numbers of that type (ties to even), as numpy holds them."""
    if kind.name != "bfloat16":
        return values.astype(kind.raw)
    bits = values.astype(np.float32).view(np.uint32)
    nearest = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    kept = np.where(np.isfinite(values), nearest, bits)
    return (kept >> np.uint32(16)).astype("<u2")


def exact(raw: Raw, kind: Kind) -> Doubles:
    """The numbers that these bits stand for."""
    if kind.name != "bfloat16":
        return raw.astype(np.float64)
    return (raw.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)


def poison(kind: Kind) -> Raw:
    """A NaN with bits of its own, so that what was never written can be told from a NaN that was computed."""
    bits = {"float32": 0x7FC5A5A5, "float16": 0x7EA5, "bfloat16": 0x7FE5}[kind.name]
    return np.array([bits], dtype=f"<u{kind.size}").view(kind.raw)


def tolerance(reference: Doubles, kind: Kind) -> Doubles:
    """How far each element may lie from the float64 reference.

    >>> bool(tolerance(np.array([1.0]), KINDS["float32"])[0] < 2e-5 < tolerance(np.array([1.0]), KINDS["float16"])[0])
    True
    """
    return relative_tolerance(kind) * np.abs(reference) + kind.smallest


def relative_tolerance(kind: Kind) -> float:
    """The part of it that grows with the reference."""
    return ROUNDINGS * kind.unit + FLOAT32_ROUNDINGS * FLOAT32_UNIT
