"""Triton kernels for linear attention, each with a plain torch reference. The import loads neither torch nor triton.

    from evo_kernels import chunk_delta_rule, chunk_gated_delta_rule    loads both, on first use
    from evo_kernels import reference                                   loads torch

`kernels/` itself is a source root without an `__init__.py`: Hugging Face's `kernels` owns that import name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evo_kernels.api import chunk_delta_rule, chunk_gated_delta_rule

__all__ = ["chunk_delta_rule", "chunk_gated_delta_rule"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("evo_kernels.api"), name)
