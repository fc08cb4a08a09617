"""Slot `passes`: how the work is divided into launches. `passes(x, residual, weight, eps, out, summed)` fills both."""

from __future__ import annotations

import torch
import triton

from problems.triton_kernel.add_rms_norm.blocks.toolkit import (
    add_inverse_kernel,
    add_kernel,
    held_kernel,
    inverse_kernel,
    rereading_kernel,
    scale_kernel,
    tile_kernel,
)
from problems.triton_kernel.blocks.columns import fixed_width as columns
from problems.triton_kernel.blocks.rows import one_row as rows
from problems.triton_kernel.blocks.warps import fixed_warps as warps


def three_launches(x, residual, weight, eps, out, summed):
    """Add, root mean square, scale: a launch for each, as eager code does it.

    Every intermediate travels through memory: the sum is written once and read twice.
    """
    (M, N), count = x.shape, rows(x.shape[0])
    block, grid = columns(N), (triton.cdiv(M, count),)
    how = warps(block)
    inverse = torch.empty((M,), dtype=torch.float32, device=x.device)
    add_kernel[grid](
        x, residual, summed, M, N, x.stride(0), residual.stride(0), summed.stride(0), count, BLOCK=block, num_warps=how
    )
    inverse_kernel[grid](summed, inverse, M, N, eps, summed.stride(0), count, BLOCK=block, num_warps=how)
    scale_kernel[grid](
        summed, inverse, weight, out, M, N, summed.stride(0), out.stride(0), count, BLOCK=block, num_warps=how
    )


def two_launches(x, residual, weight, eps, out, summed):
    """Add and root mean square together, then scale.

    The sum is read once less; between the launches it still leaves the registers.
    """
    (M, N), count = x.shape, rows(x.shape[0])
    block, grid = columns(N), (triton.cdiv(M, count),)
    how = warps(block)
    inverse = torch.empty((M,), dtype=torch.float32, device=x.device)
    add_inverse_kernel[grid](
        x, residual, summed, inverse, M, N, eps, x.stride(0), residual.stride(0), summed.stride(0), count,
        BLOCK=block, num_warps=how,
    )  # fmt: skip
    scale_kernel[grid](
        summed, inverse, weight, out, M, N, summed.stride(0), out.stride(0), count, BLOCK=block, num_warps=how
    )


def one_launch_rereading(x, residual, weight, eps, out, summed):
    """One launch that goes over each row twice, in blocks of any width.

    Rows of any length; both inputs are read twice, unless a cache keeps them.
    """
    (M, N), count = x.shape, rows(x.shape[0])
    block = columns(N)
    rereading_kernel[(triton.cdiv(M, count),)](
        x, residual, weight, out, summed, M, N, eps, x.stride(0), residual.stride(0), out.stride(0), summed.stride(0),
        count, BLOCK=block, num_warps=warps(block),
    )  # fmt: skip


def one_launch_held(x, residual, weight, eps, out, summed):
    """One launch that holds a whole row in registers; nothing is read twice.

    The weight is loaded once for all rows of a program. Rows have to fit: some ten thousand elements at most.
    """
    (M, N), count = x.shape, rows(x.shape[0])
    block = triton.next_power_of_2(N)
    held_kernel[(triton.cdiv(M, count),)](
        x, residual, weight, out, summed, M, N, eps, x.stride(0), residual.stride(0), out.stride(0), summed.stride(0),
        count, BLOCK=block, num_warps=warps(block),
    )  # fmt: skip


def one_launch_tiles(x, residual, weight, eps, out, summed):
    """One launch whose programs hold several whole rows side by side, up to 8192 elements.

    As few bytes as one row after the other, with more loads in flight at a time and more registers in use.
    """
    M, N = x.shape
    block = triton.next_power_of_2(N)
    count = min(triton.next_power_of_2(rows(M)), max(1, 8192 // block))
    tile_kernel[(triton.cdiv(M, count),)](
        x, residual, weight, out, summed, M, N, eps, x.stride(0), residual.stride(0), out.stride(0), summed.stride(0),
        ROWS=count, BLOCK=block, num_warps=warps(count * block),
    )  # fmt: skip
