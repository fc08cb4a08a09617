"""`triton.jit` with a type, so that strict checking reaches into the files of kernels. Loads triton.

Whether the kernels are compiled for a GPU or run by Triton's interpreter is decided here, once, when a file of kernels
is imported: set TRITON_INTERPRET=1 before that, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import triton


def jit(function: Callable[..., Any]) -> Any:
    """A kernel, launched as `kernel[grid](...)`, or a function that kernels call."""
    return triton.jit(function)


def interpreted() -> bool:
    """Whether the kernels of this process run on the CPU, in Triton's interpreter."""
    return bool(triton.knobs.runtime.interpret)
