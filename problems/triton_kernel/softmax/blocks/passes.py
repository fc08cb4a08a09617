"""Slot `passes`: how the work is divided into launches. `passes(x, out)` fills `out`."""

from __future__ import annotations

import torch
import triton

from problems.triton_kernel.blocks.columns import fixed_width as columns
from problems.triton_kernel.blocks.rows import one_row as rows
from problems.triton_kernel.blocks.warps import fixed_warps as warps
from problems.triton_kernel.softmax.blocks.toolkit import (
    divide_kernel,
    held_kernel,
    max_kernel,
    online_kernel,
    sum_kernel,
    three_pass_kernel,
    tile_kernel,
)


def three_launches(x, out):
    """Maximum, sum, division: a launch for each.

    The input is read three times, and two numbers for each row go through memory.
    """
    (M, N), count = x.shape, rows(x.shape[0])
    block, grid = columns(N), (triton.cdiv(M, count),)
    how = warps(block)
    top = torch.empty((M,), dtype=torch.float32, device=x.device)
    total = torch.empty((M,), dtype=torch.float32, device=x.device)
    max_kernel[grid](x, top, M, N, x.stride(0), count, BLOCK=block, num_warps=how)
    sum_kernel[grid](x, top, total, M, N, x.stride(0), count, BLOCK=block, num_warps=how)
    divide_kernel[grid](x, top, total, out, M, N, x.stride(0), out.stride(0), count, BLOCK=block, num_warps=how)


def one_launch_three_passes(x, out):
    """One launch that goes over each row three times, in blocks of any width.

    Rows of any length; what is read again may still be in a cache.
    """
    (M, N), count = x.shape, rows(x.shape[0])
    block = columns(N)
    three_pass_kernel[(triton.cdiv(M, count),)](
        x, out, M, N, x.stride(0), out.stride(0), count, BLOCK=block, num_warps=warps(block)
    )


def one_launch_online(x, out):
    """One launch with maximum and sum in a single pass: the sum is rescaled when the maximum grows.

    Two passes in place of three for rows of any length; the idea behind attention in blocks.
    """
    (M, N), count = x.shape, rows(x.shape[0])
    block = columns(N)
    online_kernel[(triton.cdiv(M, count),)](
        x, out, M, N, x.stride(0), out.stride(0), count, BLOCK=block, num_warps=warps(block)
    )


def one_launch_held(x, out):
    """One launch that holds a whole row in registers: one load, one store.

    The least possible traffic. Rows have to fit: some ten thousand elements at most.
    """
    (M, N), count = x.shape, rows(x.shape[0])
    block = triton.next_power_of_2(N)
    held_kernel[(triton.cdiv(M, count),)](
        x, out, M, N, x.stride(0), out.stride(0), count, BLOCK=block, num_warps=warps(block)
    )


def one_launch_tiles(x, out):
    """One launch whose programs hold several whole rows side by side, up to 8192 elements.

    Short rows fill the lanes of a program; tiles of long rows take registers.
    """
    M, N = x.shape
    block = triton.next_power_of_2(N)
    count = min(triton.next_power_of_2(rows(M)), max(1, 8192 // block))
    tile_kernel[(triton.cdiv(M, count),)](
        x, out, M, N, x.stride(0), out.stride(0), ROWS=count, BLOCK=block, num_warps=warps(count * block)
    )
