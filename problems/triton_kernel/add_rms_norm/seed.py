"""Residual add, RMS norm and scale, in three plain launches."""

import torch
import triton
import triton.language as tl

BLOCK = 256


@triton.jit
def add_kernel(x_ptr, residual_ptr, summed_ptr, N, x_row, residual_row, summed_row, BLOCK: tl.constexpr):
    """One block of one row: summed = x + residual."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=0.0).to(tl.float32)
    residual = tl.load(residual_ptr + row * residual_row + column, mask=column < N, other=0.0).to(tl.float32)
    tl.store(summed_ptr + row * summed_row + column, (x + residual).to(summed_ptr.dtype.element_ty), mask=column < N)


@triton.jit
def inverse_rms_kernel(summed_ptr, inverse_ptr, N, eps, summed_row, BLOCK: tl.constexpr):
    """One row: 1 / sqrt(mean(summed^2) + eps)."""
    row = tl.program_id(0).to(tl.int64)
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for start in range(0, N, BLOCK):
        column = start + tl.arange(0, BLOCK)
        summed = tl.load(summed_ptr + row * summed_row + column, mask=column < N, other=0.0).to(tl.float32)
        total += summed * summed
    tl.store(inverse_ptr + row, 1.0 / tl.sqrt(tl.sum(total, 0) / N + eps))


@triton.jit
def scale_kernel(summed_ptr, inverse_ptr, weight_ptr, out_ptr, N, summed_row, out_row, BLOCK: tl.constexpr):
    """One block of one row: out = summed * inverse * weight."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    summed = tl.load(summed_ptr + row * summed_row + column, mask=column < N, other=0.0).to(tl.float32)
    weight = tl.load(weight_ptr + column, mask=column < N, other=0.0).to(tl.float32)
    scaled = summed * tl.load(inverse_ptr + row) * weight
    tl.store(out_ptr + row * out_row + column, scaled.to(out_ptr.dtype.element_ty), mask=column < N)


def launch(x, residual, weight, eps, out, summed):
    """Fill `summed` and `out`."""
    M, N = x.shape
    blocks = (M, triton.cdiv(N, BLOCK))
    inverse = torch.empty((M,), dtype=torch.float32, device=x.device)
    add_kernel[blocks](x, residual, summed, N, x.stride(0), residual.stride(0), summed.stride(0), BLOCK=BLOCK)
    inverse_rms_kernel[(M,)](summed, inverse, N, eps, summed.stride(0), BLOCK=BLOCK)
    scale_kernel[blocks](summed, inverse, weight, out, N, summed.stride(0), out.stride(0), BLOCK=BLOCK)
