"""The kernels that the blocks of `passes` launch."""

from __future__ import annotations

from typing import Annotated

import torch
import triton
import triton.language as tl

__all__ = ["Annotated", "torch", "triton"]


@triton.jit
def add_kernel(x_ptr, residual_ptr, summed_ptr, M, N, x_row, residual_row, summed_row, ROWS, BLOCK: tl.constexpr):
    """summed = x + residual."""
    first = tl.program_id(0) * ROWS
    for row in range(first, tl.minimum(first + ROWS, M)):
        for start in range(0, N, BLOCK):
            column = start + tl.arange(0, BLOCK)
            x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=0.0).to(tl.float32)
            residual = tl.load(residual_ptr + row * residual_row + column, mask=column < N, other=0.0).to(tl.float32)
            summed = (x + residual).to(summed_ptr.dtype.element_ty)
            tl.store(summed_ptr + row * summed_row + column, summed, mask=column < N)


@triton.jit
def inverse_kernel(summed_ptr, inverse_ptr, M, N, eps, summed_row, ROWS, BLOCK: tl.constexpr):
    """inverse = 1 / sqrt(mean(summed^2) + eps)."""
    first = tl.program_id(0) * ROWS
    for row in range(first, tl.minimum(first + ROWS, M)):
        total = tl.zeros((BLOCK,), dtype=tl.float32)
        for start in range(0, N, BLOCK):
            column = start + tl.arange(0, BLOCK)
            summed = tl.load(summed_ptr + row * summed_row + column, mask=column < N, other=0.0).to(tl.float32)
            total += summed * summed
        tl.store(inverse_ptr + row, 1.0 / tl.sqrt(tl.sum(total, 0) / N + eps))


@triton.jit
def add_inverse_kernel(
    x_ptr, residual_ptr, summed_ptr, inverse_ptr, M, N, eps, x_row, residual_row, summed_row, ROWS, BLOCK: tl.constexpr
):
    """Both of the above in one pass."""
    first = tl.program_id(0) * ROWS
    for row in range(first, tl.minimum(first + ROWS, M)):
        total = tl.zeros((BLOCK,), dtype=tl.float32)
        for start in range(0, N, BLOCK):
            column = start + tl.arange(0, BLOCK)
            x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=0.0).to(tl.float32)
            residual = tl.load(residual_ptr + row * residual_row + column, mask=column < N, other=0.0).to(tl.float32)
            summed = x + residual
            total += summed * summed
            tl.store(summed_ptr + row * summed_row + column, summed.to(summed_ptr.dtype.element_ty), mask=column < N)
        tl.store(inverse_ptr + row, 1.0 / tl.sqrt(tl.sum(total, 0) / N + eps))


@triton.jit
def scale_kernel(summed_ptr, inverse_ptr, weight_ptr, out_ptr, M, N, summed_row, out_row, ROWS, BLOCK: tl.constexpr):
    """out = summed * inverse * weight; a block of the weight is loaded once for all rows of the program."""
    first = tl.program_id(0) * ROWS
    for start in range(0, N, BLOCK):
        column = start + tl.arange(0, BLOCK)
        weight = tl.load(weight_ptr + column, mask=column < N, other=0.0).to(tl.float32)
        for row in range(first, tl.minimum(first + ROWS, M)):
            summed = tl.load(summed_ptr + row * summed_row + column, mask=column < N, other=0.0).to(tl.float32)
            scaled = summed * tl.load(inverse_ptr + row) * weight
            tl.store(out_ptr + row * out_row + column, scaled.to(out_ptr.dtype.element_ty), mask=column < N)


@triton.jit
def rereading_kernel(
    x_ptr, residual_ptr, weight_ptr, out_ptr, summed_ptr, M, N, eps,
    x_row, residual_row, out_row, summed_row, ROWS, BLOCK: tl.constexpr,
):  # fmt: skip
    """Everything in one launch, in blocks: the second loop over a row adds again instead of reading the sum."""
    first = tl.program_id(0) * ROWS
    for row in range(first, tl.minimum(first + ROWS, M)):
        total = tl.zeros((BLOCK,), dtype=tl.float32)
        for start in range(0, N, BLOCK):
            column = start + tl.arange(0, BLOCK)
            x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=0.0).to(tl.float32)
            residual = tl.load(residual_ptr + row * residual_row + column, mask=column < N, other=0.0).to(tl.float32)
            summed = x + residual
            total += summed * summed
            tl.store(summed_ptr + row * summed_row + column, summed.to(summed_ptr.dtype.element_ty), mask=column < N)
        inverse = 1.0 / tl.sqrt(tl.sum(total, 0) / N + eps)
        for start in range(0, N, BLOCK):
            column = start + tl.arange(0, BLOCK)
            x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=0.0).to(tl.float32)
            residual = tl.load(residual_ptr + row * residual_row + column, mask=column < N, other=0.0).to(tl.float32)
            weight = tl.load(weight_ptr + column, mask=column < N, other=0.0).to(tl.float32)
            scaled = (x + residual) * inverse * weight
            tl.store(out_ptr + row * out_row + column, scaled.to(out_ptr.dtype.element_ty), mask=column < N)


@triton.jit
def held_kernel(
    x_ptr, residual_ptr, weight_ptr, out_ptr, summed_ptr, M, N, eps,
    x_row, residual_row, out_row, summed_row, ROWS, BLOCK: tl.constexpr,
):  # fmt: skip
    """Everything in one launch, a row held in registers, the weight once for all rows of the program."""
    first = tl.program_id(0) * ROWS
    column = tl.arange(0, BLOCK)
    weight = tl.load(weight_ptr + column, mask=column < N, other=0.0).to(tl.float32)
    for row in range(first, tl.minimum(first + ROWS, M)):
        x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=0.0).to(tl.float32)
        residual = tl.load(residual_ptr + row * residual_row + column, mask=column < N, other=0.0).to(tl.float32)
        summed = x + residual
        inverse = 1.0 / tl.sqrt(tl.sum(summed * summed, 0) / N + eps)
        tl.store(summed_ptr + row * summed_row + column, summed.to(summed_ptr.dtype.element_ty), mask=column < N)
        scaled = summed * inverse * weight
        tl.store(out_ptr + row * out_row + column, scaled.to(out_ptr.dtype.element_ty), mask=column < N)


@triton.jit
def tile_kernel(
    x_ptr, residual_ptr, weight_ptr, out_ptr, summed_ptr, M, N, eps,
    x_row, residual_row, out_row, summed_row, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Everything in one launch, several rows side by side in one tile."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.arange(0, BLOCK)[None, :]
    live = (row < M) & (column < N)
    weight = tl.load(weight_ptr + column, mask=column < N, other=0.0).to(tl.float32)
    x = tl.load(x_ptr + row * x_row + column, mask=live, other=0.0).to(tl.float32)
    residual = tl.load(residual_ptr + row * residual_row + column, mask=live, other=0.0).to(tl.float32)
    summed = x + residual
    inverse = 1.0 / tl.sqrt(tl.sum(summed * summed, 1) / N + eps)
    tl.store(summed_ptr + row * summed_row + column, summed.to(summed_ptr.dtype.element_ty), mask=live)
    scaled = summed * inverse[:, None] * weight
    tl.store(out_ptr + row * out_row + column, scaled.to(out_ptr.dtype.element_ty), mask=live)
