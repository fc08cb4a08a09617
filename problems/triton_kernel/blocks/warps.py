"""Slot `warps`: how many warps a program has. `warps(block) -> int`. A GPU looks at it, the interpreter does not."""

from __future__ import annotations

from typing import Annotated


def fixed_warps(block, *, count: Annotated[int, 1, 2, 4, 8, 16] = 4):
    """The same number for every block.

    Four is Triton's default.
    """
    return count


def warps_by_width(block, *, elements: Annotated[int, 128, 256, 512, 1024] = 256):
    """A warp for so many elements, between one and sixteen.

    A warp has 32 lanes; four to sixteen elements for each lane hide the latency of loads.
    """
    return max(1, min(16, block // elements))
