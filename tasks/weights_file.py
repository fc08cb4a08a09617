"""Reads the header of a safetensors file that left the sandbox: which tensors it holds, and where. No torch, no numpy.

The file is a candidate's, so everything about its header is checked: every tensor has a plain type and a size that fits
its place, and together they fill the file without gap or overlap. Which tensors there should be, and whether their
numbers are finite, is for the domain that reads it.

Format: eight bytes (the header's length, little endian), a JSON header {name: {dtype, shape, data_offsets}}, the data.
"""

from __future__ import annotations

import json
import math
import mmap
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

LONGEST_HEADER = 1_000_000
MOST_SIDES = 16  # of a tensor; the product of thousands of large numbers takes seconds
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}

Content = bytes | mmap.mmap


class Unreadable(ValueError):
    """Not a safetensors file, or not one with what is expected."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor: its type, its shape, and its place in the file in bytes."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def numbers(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


def mapped(path: Path) -> mmap.mmap:
    """A file that may be larger than memory. Raises Unreadable, OSError."""
    with path.open("rb") as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # there is nothing to map in an empty file
            raise Unreadable("the file is empty") from None


def stored(content: Content, longest_header: int = LONGEST_HEADER) -> dict[str, Stored]:
    """Every tensor, by name. Raises Unreadable."""
    size = int.from_bytes(content[:8], "little")
    if not 2 <= size <= min(longest_header, len(content) - 8):
        raise Unreadable("the content is not a safetensors file")
    try:
        header = json.loads(content[8 : 8 + size])
        if not isinstance(header, dict):
            raise TypeError("expected names")
        found = {name: _stored(header[name], 8 + size) for name in header if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(f"the header cannot be read: {type(error).__name__}") from None
    for name, entry in found.items():
        if entry.end > len(content) or entry.end - entry.start != entry.numbers * SIZES[entry.dtype]:
            raise Unreadable(f"tensor {name[:80]!r} lies outside the file or has the wrong size")
    places = [(0, 8 + size), *sorted((entry.start, entry.end) for entry in found.values()), (len(content), 0)]
    if any(end != start for (_, end), (start, _) in pairwise(places)):
        raise Unreadable("tensors overlap, leave gaps or do not fill the file")
    return found


def _stored(entry: dict[str, object], first: int) -> Stored:
    shape, offsets, dtype = entry["shape"], entry["data_offsets"], entry["dtype"]
    if not isinstance(shape, list) or not isinstance(offsets, list) or not isinstance(dtype, str):
        raise TypeError("shape, data_offsets or dtype")
    if any(type(side) is not int or side < 0 for side in (*shape, *offsets)):
        raise TypeError("a negative or broken size")
    if dtype not in SIZES or len(shape) > MOST_SIDES or len(offsets) != 2:
        raise ValueError("a strange type, too many sides, or no place")
    return Stored(dtype, tuple(shape), first + offsets[0], first + offsets[1])
