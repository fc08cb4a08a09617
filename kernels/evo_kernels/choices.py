"""Block sizes, warps and pipeline stages, by head dimensions. Chosen for Hopper by arithmetic; none is measured.

A table rather than autotuning: every launch is the same on every run, the interpreter can follow it, and a run on a GPU
may replace an entry with what it measured. docs/kernels.md lists what ptxas says of each (registers, spills).
"""

from __future__ import annotations

from dataclasses import dataclass

HEAD_DIMS = (16, 32, 64, 128, 256)
CHUNK_SIZES = (16, 32, 64)
#: Every n-th state is kept for the backward pass; the others are computed again there, at n - 1 more products per chunk.
EVERY = 2


@dataclass(frozen=True, slots=True)
class Launch:
    """How one kernel is launched: columns of K and of V per block, warps, stages of the software pipeline."""

    block_k: int
    block_v: int
    warps: int
    stages: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The launches of all four kernels."""

    intra: Launch
    chain: Launch
    reverse: Launch
    gradient: Launch


def choose(key_dim: int, value_dim: int) -> Choice:
    """The table. The state of a chain is K x block_v in float32 registers, so a wide K takes a narrow block of V."""
    narrow, wide = min(64, key_dim), min(64, value_dim)
    chain_v = min(32 if key_dim > 128 else 64, value_dim)
    return Choice(
        intra=Launch(narrow, wide, warps=4, stages=2),
        chain=Launch(key_dim, chain_v, warps=4, stages=2),
        reverse=Launch(key_dim, chain_v, warps=4, stages=2),
        gradient=Launch(narrow, wide, warps=4, stages=2),
    )
