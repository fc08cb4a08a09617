"""Block sizes, warps and pipeline stages, by head dimensions. Chosen for Hopper by arithmetic; none is measured.

A table rather than autotuning: every launch is the same on every run, the interpreter can follow it, and a run on a GPU
may replace an entry with what it measured. docs/kernels.md lists what ptxas says of each (registers, spills).
"""

from __future__ import annotations

from dataclasses import dataclass

HEAD_DIMS = (16, 32, 64, 128, 256)
CHUNK_SIZES = (16, 32, 64)
#: Every n-th state is kept for the backward pass, which computes the others again with up to n - 1 products each.
EVERY = 2
#: Numbers of a state in one program's registers. Twice as many would do with half the loads, and spill.
LARGEST_STATE = 128 * 64
NARROWEST = 16
#: An H100 or H200 has 132 multiprocessors.
ENOUGH_PROGRAMS = 100


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


def choose(key_dim: int, value_dim: int, chains: int, bytes_per_number: int = 2) -> Choice:
    """The table, for `chains` = sequences x value heads that run side by side."""
    if bytes_per_number > 2:
        return _for_float32(key_dim, value_dim)
    narrow_k, narrow_v = min(64, key_dim), min(64, value_dim)
    columns = chain_columns(key_dim, value_dim, chains)
    # two stages of tiles as wide as K = 256 are more than the shared memory of a multiprocessor
    chain = Launch(key_dim, columns, warps=8 if key_dim * columns > 64 * 64 else 4, stages=1 if key_dim > 128 else 2)
    return Choice(
        intra=Launch(narrow_k, narrow_v, warps=4, stages=2),
        chain=chain,
        reverse=chain,
        gradient=Launch(narrow_k, min(32, value_dim), warps=8 if narrow_k == 64 else 4, stages=1),
    )


def _for_float32(key_dim: int, value_dim: int) -> Choice:
    """Exact products without tensor cores: for comparisons, with blocks that fit and no claim to be fast."""
    chain = Launch(key_dim, min(16, value_dim), warps=8, stages=1)
    block = Launch(min(32, key_dim), min(32, value_dim), warps=8, stages=1)
    return Choice(intra=block, chain=chain, reverse=chain, gradient=Launch(block.block_k, chain.block_v, 8, 1))


def chain_columns(key_dim: int, value_dim: int, chains: int) -> int:
    """How much of V one program carries: as much as its registers hold and leaves work for every multiprocessor.

    Programs of one chain load the same q, k and w, so fewer and wider ones move less; but one chunk waits for the one
    before it, so with few chains only a narrower split makes use of the device.
    """
    columns = min(value_dim, LARGEST_STATE // key_dim)
    while columns > NARROWEST and chains * (value_dim // columns) < ENOUGH_PROGRAMS:
        columns //= 2
    return columns
