"""Tables of chunks, and the launch table."""

from __future__ import annotations

import pytest
import torch
from evo_kernels.choices import CHUNK_SIZES, ENOUGH_PROGRAMS, HEAD_DIMS, LARGEST_STATE, choose
from evo_kernels.plan import offsets_of, plan

CPU = torch.device("cpu")


def test_unequal_sequences() -> None:
    made = plan((0, 5, 5, 40), 16, 2, CPU)

    assert made.chunks.tolist() == [[0, 0], [2, 0], [2, 1], [2, 2]]
    assert made.bounds.tolist() == [[0, 5, 0], [5, 5, 1], [5, 40, 1]]
    assert (made.sequences, made.kept_states) == (3, 3)


def test_equal_sequences_are_packed_ones() -> None:
    assert offsets_of(3, 10, None) == (0, 10, 20, 30)
    assert offsets_of(1, 30, torch.tensor([0, 10, 20, 30])) == (0, 10, 20, 30)
    assert offsets_of(2, 0, None) == (0, 0, 0)


def test_no_chunks_at_all() -> None:
    made = plan((0, 0), 64, 2, CPU)
    assert made.chunks.shape == (0, 2)
    assert made.kept_states == 0


@pytest.mark.parametrize("bytes_per_number", [2, 4])
@pytest.mark.parametrize("key_dim", HEAD_DIMS)
@pytest.mark.parametrize("value_dim", HEAD_DIMS)
def test_blocks_divide_the_head_dimensions(key_dim: int, value_dim: int, bytes_per_number: int) -> None:
    for chains in (1, 16, 128, 4096):
        choice = choose(key_dim, value_dim, chains, bytes_per_number)
        for launch in (choice.intra, choice.gradient):
            assert key_dim % launch.block_k == 0
        for launch in (choice.intra, choice.chain, choice.reverse, choice.gradient):
            assert value_dim % launch.block_v == 0
            assert min(launch.block_k, launch.block_v) >= min(CHUNK_SIZES)  # the smallest block of a product


def test_few_chains_are_split_and_many_are_not() -> None:
    assert choose(128, 128, chains=1).chain.block_v == 16
    assert choose(128, 128, chains=128).chain.block_v == LARGEST_STATE // 128
    assert 30 * 128 // choose(128, 128, chains=30).chain.block_v >= ENOUGH_PROGRAMS
