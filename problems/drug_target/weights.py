"""Reads the header of a safetensors file with the standard library: how many numbers of which kinds. No torch.

The file comes from the candidate's process, so everything about it is checked; its numbers are only ever used inside
the sandbox again. Format: eight bytes (the header's length, little endian), a JSON header
{name: {dtype, shape, data_offsets}}, the data.
"""

from __future__ import annotations

import json
import math

LONGEST_HEADER = 1_000_000
SIZES = {"F32": 4, "I64": 8}  # all there is in a model; I64 is BatchNorm's count of batches


class Unreadable(ValueError):
    """Not a safetensors file of float32 weights."""


def numbers(content: bytes) -> int:
    """How many float32 numbers the file holds. Raises Unreadable."""
    size = int.from_bytes(content[:8], "little")
    if not 2 <= size <= min(LONGEST_HEADER, len(content) - 8):
        raise Unreadable("the weights are not a safetensors file")
    try:
        header = json.loads(content[8 : 8 + size])
        entries = [(name, *_entry(header[name])) for name in header if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(f"the weights' header cannot be read: {type(error).__name__}") from None
    available = len(content) - 8 - size
    for name, dtype, count, start, end in entries:
        if not 0 <= start <= end <= available or end - start != count * SIZES[dtype]:
            raise Unreadable(f"tensor {name[:80]!r} lies outside the file or has the wrong size")
    if sum(end - start for *_, start, end in entries) != available:
        raise Unreadable("tensors overlap, or there is something beside them")
    return sum(count for _, dtype, count, _, _ in entries if dtype == "F32")


def _entry(entry: dict[str, object]) -> tuple[str, int, int, int]:
    """Kind, count, start, end."""
    shape, offsets, dtype = entry["shape"], entry["data_offsets"], entry["dtype"]
    if not isinstance(shape, list) or not isinstance(offsets, list) or not isinstance(dtype, str):
        raise TypeError("shape, data_offsets or dtype")
    if dtype not in SIZES or len(offsets) != 2 or any(type(side) is not int or side < 0 for side in (*shape, *offsets)):
        raise TypeError("a strange kind, or a negative or broken size")
    return dtype, math.prod(shape), offsets[0], offsets[1]
