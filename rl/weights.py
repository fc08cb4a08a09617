"""Reads a safetensors file against an exact list: those names, those sizes, float32, finite, and no byte more.

The file leaves the sandbox; tasks/weights_file.py checks its header. With numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tasks.weights_file import Unreadable, stored

__all__ = ["Arrays", "Unreadable", "read"]

LONGEST_HEADER = 65536
Arrays = dict[str, NDArray[np.float32]]


def read(content: bytes, expected: Mapping[str, tuple[int, ...]]) -> Arrays:
    """Every expected tensor, as float32. Raises Unreadable."""
    found = stored(content, LONGEST_HEADER)
    if odd := sorted(found.keys() ^ expected.keys()):
        raise Unreadable(f"the weights hold other tensors than the model has, e.g. {odd[0][:80]!r}")
    arrays = {}
    for name, shape in expected.items():
        entry = found[name]
        if entry.dtype != "F32" or entry.shape != shape:
            raise Unreadable(f"{name}: expected float32 of size {shape}")
        value = np.frombuffer(content, dtype="<f4", count=entry.numbers, offset=entry.start).reshape(shape)
        if not np.isfinite(value).all():
            raise Unreadable(f"{name} is not finite")
        arrays[name] = value
    return arrays
