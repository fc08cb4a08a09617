"""Softmax of each row, in three plain launches."""

import torch
import triton
import triton.language as tl

BLOCK = 256


@triton.jit
def max_kernel(x_ptr, top_ptr, N, x_row, BLOCK: tl.constexpr):
    """One row: its largest element."""
    row = tl.program_id(0).to(tl.int64)
    top = tl.full((BLOCK,), float("-inf"), dtype=tl.float32)
    for start in range(0, N, BLOCK):
        column = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=float("-inf")).to(tl.float32)
        top = tl.maximum(top, x)
    tl.store(top_ptr + row, tl.max(top, 0))


@triton.jit
def sum_kernel(x_ptr, top_ptr, total_ptr, N, x_row, BLOCK: tl.constexpr):
    """One row: the sum of its exponentials."""
    row = tl.program_id(0).to(tl.int64)
    top = tl.load(top_ptr + row)
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for start in range(0, N, BLOCK):
        column = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=float("-inf")).to(tl.float32)
        total += tl.exp(x - top)
    tl.store(total_ptr + row, tl.sum(total, 0))


@triton.jit
def divide_kernel(x_ptr, top_ptr, total_ptr, out_ptr, N, x_row, out_row, BLOCK: tl.constexpr):
    """One block of one row."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * x_row + column, mask=column < N, other=0.0).to(tl.float32)
    share = tl.exp(x - tl.load(top_ptr + row)) / tl.load(total_ptr + row)
    tl.store(out_ptr + row * out_row + column, share.to(out_ptr.dtype.element_ty), mask=column < N)


def launch(x, out):
    """Fill `out`."""
    M, N = x.shape
    top = torch.empty((M,), dtype=torch.float32, device=x.device)
    total = torch.empty((M,), dtype=torch.float32, device=x.device)
    max_kernel[(M,)](x, top, N, x.stride(0), BLOCK=BLOCK)
    sum_kernel[(M,)](x, top, total, N, x.stride(0), BLOCK=BLOCK)
    divide_kernel[(M, triton.cdiv(N, BLOCK))](x, top, total, out, N, x.stride(0), out.stride(0), BLOCK=BLOCK)
