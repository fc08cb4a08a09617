"""Slot `columns`: how many columns a program holds at once. `columns(N) -> int`, a power of two."""

from __future__ import annotations

from typing import Annotated

import triton


def whole_row(N):
    """The next power of two above the row's length.

    No loop over columns; up to half of the lanes idle just above a power of two, and long rows spill registers.
    """
    return min(16384, triton.next_power_of_2(N))


def fixed_width(N, *, width: Annotated[int, 64, 128, 256, 512, 1024, 2048] = 256):
    """Blocks of one width, whatever the row's length.

    Few registers, any length; kernels that need a row twice have to load it twice.
    """
    return width
