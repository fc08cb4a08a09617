"""Tensors, names and sizes of a candidate's safetensors file, with numpy alone.

Torch stays out of the engine's process; tasks/weights_file.py checks the header.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.weights_file import SIZES, Content, Unreadable, mapped, stored

__all__ = ["Unreadable", "Weights"]


class Weights:
    """A safetensors file, in memory or mapped."""

    def __init__(self, content: Content) -> None:
        """Raises Unreadable."""
        self._content, self._entries = content, stored(content)

    @classmethod
    def mapped(cls, path: Path) -> Weights:
        """A file that may be larger than memory. Raises Unreadable."""
        return cls(mapped(path))

    @property
    def listed(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Type and shape of each tensor, by name."""
        return {name: (entry.dtype, entry.shape) for name, entry in self._entries.items()}

    @property
    def data_bytes(self) -> int:
        """How many bytes the tensors have together."""
        return sum(entry.numbers * SIZES[entry.dtype] for entry in self._entries.values())

    def count(self, part: str = "") -> int:
        """How many numbers all tensors have whose name contains `part`."""
        return sum(entry.numbers for name, entry in self._entries.items() if part in name)

    def tensor(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """A float32 tensor of that shape, finite. Raises Unreadable."""
        entry = self._entries.get(name)
        if entry is None or entry.dtype != "F32" or entry.shape != shape:
            raise Unreadable(f"expected a float32 tensor {name} of shape {shape}")
        flat = np.frombuffer(self._content, dtype="<f4", count=entry.numbers, offset=entry.start)
        value = flat.reshape(shape).astype(np.float64)
        if not np.isfinite(value).all():
            raise Unreadable(f"{name} is not finite")
        return value
