"""How many numbers a model's safetensors file holds, and that they are of the kinds that a model has. No torch.

The file comes from the candidate's process; its numbers are only ever used inside the sandbox again.
"""

from __future__ import annotations

from tasks.weights_file import Unreadable, stored

__all__ = ["Unreadable", "numbers"]

KINDS = frozenset({"F32", "I64"})  # all there is in a model; I64 is BatchNorm's count of batches


def numbers(content: bytes) -> int:
    """How many float32 numbers the file holds. Raises Unreadable."""
    found = stored(content)
    if odd := sorted(name for name, entry in found.items() if entry.dtype not in KINDS):
        raise Unreadable(f"tensor {odd[0][:80]!r} is {found[odd[0]].dtype}: expected float32")
    return sum(entry.numbers for entry in found.values() if entry.dtype == "F32")
