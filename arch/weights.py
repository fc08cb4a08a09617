"""Reads tensors, names and sizes of a safetensors file with numpy alone: torch stays out of the engine's process.

The file comes from the candidate's process, so everything about it is checked. Format: eight bytes (the header's
length, little endian), a JSON header {name: {dtype, shape, data_offsets}}, the data.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LONGEST_HEADER = 1_000_000
MOST_SIDES = 16  # of a tensor; the product of thousands of large numbers takes seconds
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


class Unreadable(ValueError):
    """Not a safetensors file, or not with the tensor that was asked for."""


class Weights:
    """A safetensors file, in memory or mapped."""

    def __init__(self, content: bytes | mmap.mmap) -> None:
        """Raises Unreadable."""
        size = int.from_bytes(content[:8], "little")
        if not 2 <= size <= min(LONGEST_HEADER, len(content) - 8):
            raise Unreadable("the weights are not a safetensors file")
        try:
            header = json.loads(content[8 : 8 + size])
            self._entries = {name: _Entry(entry) for name, entry in header.items() if name != "__metadata__"}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Unreadable(f"the weights' header cannot be read: {type(error).__name__}") from None
        self._content, self._first = content, 8 + size
        for name, entry in self._entries.items():
            if not 0 <= entry.start <= entry.end <= len(content) - 8 - size or entry.end - entry.start != entry.bytes:
                raise Unreadable(f"tensor {name[:80]!r} lies outside the file or has the wrong size")

    @classmethod
    def mapped(cls, path: Path) -> Weights:
        """A file that may be larger than memory. Raises Unreadable."""
        with path.open("rb") as file:
            try:
                return cls(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            except ValueError:  # there is nothing to map in an empty file
                raise Unreadable("the weights are an empty file") from None

    @property
    def listed(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Type and shape of each tensor, by name."""
        return {name: (entry.dtype, entry.shape) for name, entry in self._entries.items()}

    @property
    def data_bytes(self) -> int:
        """How many bytes the tensors have together."""
        return sum(entry.bytes for entry in self._entries.values())

    def count(self, part: str = "") -> int:
        """How many numbers all tensors have whose name contains `part`."""
        return sum(entry.numbers for name, entry in self._entries.items() if part in name)

    def tensor(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """A float32 tensor of that shape, finite. Raises Unreadable."""
        entry = self._entries.get(name)
        if entry is None or entry.dtype != "F32" or entry.shape != shape:
            raise Unreadable(f"expected a float32 tensor {name} of shape {shape}")
        flat = np.frombuffer(self._content, dtype="<f4", count=entry.numbers, offset=self._first + entry.start)
        value = flat.reshape(shape).astype(np.float64)
        if not np.isfinite(value).all():
            raise Unreadable(f"{name} is not finite")
        return value


class _Entry:
    """One line of the header."""

    def __init__(self, entry: Mapping[str, object]) -> None:
        shape, offsets, dtype = entry["shape"], entry["data_offsets"], entry["dtype"]
        if not isinstance(shape, list) or not isinstance(offsets, list) or not isinstance(dtype, str):
            raise TypeError("shape, data_offsets or dtype")
        if any(type(side) is not int or side < 0 for side in (*shape, *offsets)):
            raise TypeError("a negative or broken size")
        if len(shape) > MOST_SIDES:
            raise ValueError("a tensor has too many sides")
        self.shape, self.dtype = tuple(shape), dtype
        self.start, self.end = offsets
        self.numbers = math.prod(self.shape)
        self.bytes = self.numbers * SIZES[dtype]
