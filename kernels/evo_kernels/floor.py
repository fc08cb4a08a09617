"""What a pass of the chunked rule must move and multiply, from arithmetic: the floor that a measured time is held to.

Pure numbers, without torch. The floor counts every input read once and every output written once, and the products of
the chunked algorithm (C tokens a chunk) with nothing computed twice; `moved_bytes` counts what these kernels move when
each array travels once per launch that touches it. Gates and rates, 1/D of the rest, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Problem:
    """Sizes of one call; equal head dimensions of keys and values."""

    batch: int = 8
    tokens: int = 4096
    heads: int = 16
    dim: int = 128
    chunk: int = 64
    bytes_per_number: int = 2

    @property
    def chunks(self) -> int:
        """All chunks of all heads, the last of a sequence counted as a whole one."""
        return self.batch * self.heads * ceil(self.tokens / self.chunk)

    @property
    def tensor_bytes(self) -> int:
        """One [B,T,H,D] tensor."""
        return self.batch * self.tokens * self.heads * self.dim * self.bytes_per_number


@dataclass(frozen=True, slots=True)
class Device:
    """Peak rates. The defaults are an H200's: 4.8 TB/s, and 790 TFLOP/s that large bf16 products reach."""

    bandwidth_tb_s: float = 4.8
    tflop_s: float = 790.0


@dataclass(frozen=True, slots=True)
class Work:
    """Bytes through memory and floating-point operations in products."""

    moved_bytes: int
    flops: int

    def least_ms(self, device: Device) -> float:
        """Whichever takes longer: memory or tensor cores, each at its peak."""
        return 1e3 * max(self.moved_bytes / (device.bandwidth_tb_s * 1e12), self.flops / (device.tflop_s * 1e12))


def forward_floor(problem: Problem) -> Work:
    """Reads q, k, v and writes o."""
    return Work(4 * problem.tensor_bytes, problem.chunks * _forward_flops(problem))


def both_floor(problem: Problem) -> Work:
    """Forward and backward: the backward pass reads q, k, v, do and writes dq, dk, dv."""
    return Work(11 * problem.tensor_bytes, problem.chunks * (_forward_flops(problem) + _backward_flops(problem)))


def forward_moved(problem: Problem) -> Work:
    """Two launches, keeping nothing for the backward pass."""
    square = _square_bytes(problem)
    intra = 5 * problem.tensor_bytes + square  # q, k, v -> w, u, P
    chain = 5 * problem.tensor_bytes + square  # q, k, w, u, P -> o
    return Work(intra + chain, problem.chunks * _forward_flops(problem))


def both_moved(problem: Problem, every: int) -> Work:
    """Four launches, with M, the changes and every n-th state kept."""
    tensor, square, states = problem.tensor_bytes, _square_bytes(problem), _state_bytes(problem, every)
    forward = forward_moved(problem).moved_bytes + square + tensor + states
    reverse = 5 * tensor + square + states  # q, k, w, do, P -> dv'
    gradient = 10 * tensor + square + 2 * states  # q, k, v, w, v', do, dv', M -> dq, dk, dv
    waiting = 2 * tensor * 4 // problem.bytes_per_number  # the unfinished dk, in float32, out and back
    once = _forward_flops(problem) + _backward_flops(problem)
    return Work(forward + reverse + gradient + waiting, problem.chunks * once + _again_flops(problem, every))


def _forward_flops(problem: Problem) -> int:
    """Per chunk: k k^T, q k^T, u, w and P v' are C x C x D, w S, q S and k^T v' are C x D x D; and the inverse."""
    c, d = problem.chunk, problem.dim
    return 5 * 2 * c * c * d + 3 * 2 * c * d * d + _inverse_flops(c)


def _backward_flops(problem: Problem) -> int:
    """Per chunk: 11 products of C x C x D and 6 of C x D x D, as backward_kernels.py has them."""
    c, d = problem.chunk, problem.dim
    return 11 * 2 * c * c * d + 6 * 2 * c * d * d


def _inverse_flops(chunk: int) -> int:
    """Two products of S^3 for each pair of blocks of S rows; the substitution before is not products."""
    total, size = 0, 16
    while size < chunk:
        total += chunk // (2 * size) * 2 * 2 * size**3
        size *= 2
    return total


def _again_flops(problem: Problem, every: int) -> int:
    """Chunk j of a stretch of n computes j states (one product each) and n-1-j of their gradients (two each) again."""
    c, d = problem.chunk, problem.dim
    mean_times_two = 3 * (every - 1)
    return problem.chunks * mean_times_two * c * d * d


def _square_bytes(problem: Problem) -> int:
    return problem.tensor_bytes * problem.chunk // problem.dim


def _state_bytes(problem: Problem, every: int) -> int:
    per_sequence = ceil(ceil(problem.tokens / problem.chunk) / every)
    return problem.batch * problem.heads * per_sequence * problem.dim * problem.dim * problem.bytes_per_number
