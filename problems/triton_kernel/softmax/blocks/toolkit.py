"""The kernels that the blocks of `passes` launch."""

from __future__ import annotations

from typing import Annotated

import torch
import triton
import triton.language as tl

__all__ = ["Annotated", "torch", "triton"]


@triton.jit
def max_kernel(x_ptr, top_ptr, M, N, x_row, ROWS, BLOCK: tl.constexpr):
    """The largest element of each row."""
    first = tl.program_id(0) * ROWS
    for row in range(first, tl.minimum(first + ROWS, M)):
        top = tl.full((BLOCK,), float("-inf"), dtype=tl.float32)
        for start in range(0, N, BLOCK):
            column = start + tl.arange(0, BLOCK)
            x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=float("-inf")).to(tl.float32)
            top = tl.maximum(top, x)
        tl.store(top_ptr + row, tl.max(top, 0))


@triton.jit
def sum_kernel(x_ptr, top_ptr, total_ptr, M, N, x_row, ROWS, BLOCK: tl.constexpr):
    """The sum of each row's exponentials."""
    first = tl.program_id(0) * ROWS
    for row in range(first, tl.minimum(first + ROWS, M)):
        top = tl.load(top_ptr + row)
        total = tl.zeros((BLOCK,), dtype=tl.float32)
        for start in range(0, N, BLOCK):
            column = start + tl.arange(0, BLOCK)
            x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=float("-inf")).to(tl.float32)
            total += tl.exp(x - top)
        tl.store(total_ptr + row, tl.sum(total, 0))


@triton.jit
def divide_kernel(x_ptr, top_ptr, total_ptr, out_ptr, M, N, x_row, out_row, ROWS, BLOCK: tl.constexpr):
    """The shares, from maxima and sums in memory."""
    first = tl.program_id(0) * ROWS
    for row in range(first, tl.minimum(first + ROWS, M)):
        top, total = tl.load(top_ptr + row), tl.load(total_ptr + row)
        for start in range(0, N, BLOCK):
            column = start + tl.arange(0, BLOCK)
            x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=0.0).to(tl.float32)
            share = (tl.exp(x - top) / total).to(out_ptr.dtype.element_ty)
            tl.store(out_ptr + row * out_row + column, share, mask=column < N)


@triton.jit
def three_pass_kernel(x_ptr, out_ptr, M, N, x_row, out_row, ROWS, BLOCK: tl.constexpr):
    """Maximum, sum and shares, each in a pass over the row."""
    first = tl.program_id(0) * ROWS
    for row in range(first, tl.minimum(first + ROWS, M)):
        tops = tl.full((BLOCK,), float("-inf"), dtype=tl.float32)
        for start in range(0, N, BLOCK):
            column = start + tl.arange(0, BLOCK)
            x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=float("-inf")).to(tl.float32)
            tops = tl.maximum(tops, x)
        top = tl.max(tops, 0)
        totals = tl.zeros((BLOCK,), dtype=tl.float32)
        for start in range(0, N, BLOCK):
            column = start + tl.arange(0, BLOCK)
            x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=float("-inf")).to(tl.float32)
            totals += tl.exp(x - top)
        total = tl.sum(totals, 0)
        for start in range(0, N, BLOCK):
            column = start + tl.arange(0, BLOCK)
            x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=0.0).to(tl.float32)
            share = (tl.exp(x - top) / total).to(out_ptr.dtype.element_ty)
            tl.store(out_ptr + row * out_row + column, share, mask=column < N)


@triton.jit
def online_kernel(x_ptr, out_ptr, M, N, x_row, out_row, ROWS, BLOCK: tl.constexpr):
    """Maximum and sum in one pass: the sum is scaled down whenever the maximum grows. Then the shares."""
    first = tl.program_id(0) * ROWS
    for row in range(first, tl.minimum(first + ROWS, M)):
        top = tl.full((1,), float("-inf"), dtype=tl.float32)
        total = tl.zeros((1,), dtype=tl.float32)
        for start in range(0, N, BLOCK):
            column = start + tl.arange(0, BLOCK)
            x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=float("-inf")).to(tl.float32)
            higher = tl.maximum(top, tl.max(x, 0))
            # until something is there, both are minus infinity, whose difference is not a number
            safe = tl.where(higher == float("-inf"), 0.0, higher)
            total = total * tl.exp(top - safe) + tl.sum(tl.exp(x - safe), 0)
            top = higher
        for start in range(0, N, BLOCK):
            column = start + tl.arange(0, BLOCK)
            x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=0.0).to(tl.float32)
            share = (tl.exp(x - top) / total).to(out_ptr.dtype.element_ty)
            tl.store(out_ptr + row * out_row + column, share, mask=column < N)


@triton.jit
def held_kernel(x_ptr, out_ptr, M, N, x_row, out_row, ROWS, BLOCK: tl.constexpr):
    """A row held in registers: one load, one store."""
    first = tl.program_id(0) * ROWS
    column = tl.arange(0, BLOCK)
    for row in range(first, tl.minimum(first + ROWS, M)):
        x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=float("-inf")).to(tl.float32)
        raised = tl.exp(x - tl.max(x, 0))
        share = (raised / tl.sum(raised, 0)).to(out_ptr.dtype.element_ty)
        tl.store(out_ptr + row * out_row + column, share, mask=column < N)


@triton.jit
def tile_kernel(x_ptr, out_ptr, M, N, x_row, out_row, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """Several rows side by side in one tile."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.arange(0, BLOCK)[None, :]
    live = (row < M) & (column < N)
    # rows beyond the last one hold zeros, so that no row is minus infinity as a whole
    x = tl.load(x_ptr + row * x_row + column, mask=live, other=float("-inf")).to(tl.float32)
    x = tl.where(row < M, x, 0.0)
    raised = tl.exp(x - tl.max(x, 1)[:, None])
    share = (raised / tl.sum(raised, 1)[:, None]).to(out_ptr.dtype.element_ty)
    tl.store(out_ptr + row * out_row + column, share, mask=live)
