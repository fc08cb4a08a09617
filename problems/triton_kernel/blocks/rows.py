"""Slot `rows`: how many rows a program takes. `rows(M) -> int`."""

from __future__ import annotations

from typing import Annotated

import triton


def one_row(M):
    """A program for every row.

    The most programs, so nothing idles; but what rows share is loaded by every one of them.
    """
    return 1


def several_rows(M, *, count: Annotated[int, (2, 16), "log"] = 4):
    """A fixed number of rows for each program, one after the other.

    What rows share is loaded once for all of them. Too many rows leave too few programs.
    """
    return count


def spread_evenly(M, *, programs: Annotated[int, (4, 64), "log"] = 16):
    """A fixed number of programs, each with an equal share of the rows, as persistent kernels have it.

    Choose as many programs as the device can run side by side, and no more.
    """
    return triton.cdiv(M, programs)
