"""Reads a safetensors file against an exact list: those names, those sizes, float32, finite, and no byte more.

The file leaves the sandbox, so everything about it is checked, with numpy alone. Format: eight bytes (the header's
length, little endian), a JSON header {name: {dtype, shape, data_offsets}}, the data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

LONGEST_HEADER = 65536
Arrays = dict[str, NDArray[np.float32]]


class Unreadable(ValueError):
    """Not a safetensors file, or not with exactly the tensors that are expected."""


def read(content: bytes, expected: Mapping[str, tuple[int, ...]]) -> Arrays:
    """Every expected tensor, as float32. Raises Unreadable."""
    size = int.from_bytes(content[:8], "little")
    if not 2 <= size <= min(LONGEST_HEADER, len(content) - 8):
        raise Unreadable("the weights are not a safetensors file")
    try:
        header = json.loads(content[8 : 8 + size])
        header.pop("__metadata__", None)
        names = set(header)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Unreadable("the weights' header cannot be read") from None
    if names != set(expected):
        odd = sorted(names ^ set(expected), key=str)[0]
        raise Unreadable(f"the weights hold other tensors than the model has, e.g. {str(odd)[:80]!r}")
    data = content[8 + size :]
    if len(data) != 4 * sum(math.prod(shape) for shape in expected.values()):
        raise Unreadable(f"the weights hold {len(data)} bytes of numbers, not as many as the model has")
    return {name: _tensor(name, header[name], shape, data) for name, shape in expected.items()}


def _tensor(name: str, entry: object, shape: tuple[int, ...], data: bytes) -> NDArray[np.float32]:
    count = math.prod(shape)
    if not isinstance(entry, dict) or entry.get("dtype") != "F32" or entry.get("shape") != list(shape):
        raise Unreadable(f"{name}: expected float32 of size {shape}")
    start, end = _offsets(name, entry.get("data_offsets"))
    if end - start != 4 * count or not 0 <= start <= end <= len(data):
        raise Unreadable(f"{name} lies outside the file or has the wrong size")
    value = np.frombuffer(data[start:end], dtype="<f4").reshape(shape)
    if not np.isfinite(value).all():
        raise Unreadable(f"{name} is not finite")
    return value


def _offsets(name: str, offsets: object) -> tuple[int, int]:
    if isinstance(offsets, list) and len(offsets) == 2 and all(type(place) is int for place in offsets):
        return offsets[0], offsets[1]
    raise Unreadable(f"{name} has no place in the file")
