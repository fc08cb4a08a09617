"""Which program works on which chunk: two small tables on the device, kept for shapes that come again.

Equal lengths are treated as packed sequences whose lengths happen to be equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Plan:
    """`chunks` [chunks, 2]: (sequence, index in it); `bounds` [sequences, 3]: (first token, end, first kept state)."""

    chunks: Tensor
    bounds: Tensor
    kept_states: int

    @property
    def sequences(self) -> int:
        """How many sequences are packed."""
        return self.bounds.shape[0]


@lru_cache(maxsize=64)
def plan(offsets: tuple[int, ...], chunk_size: int, every: int, device: torch.device) -> Plan:
    """The tables for sequences [offsets[n], offsets[n+1]), of which each `every`-th state is kept."""
    chunks: list[tuple[int, int]] = []
    bounds: list[tuple[int, int, int]] = []
    kept = 0
    for sequence, (start, end) in enumerate(pairwise(offsets)):
        count = -(-(end - start) // chunk_size)
        chunks += [(sequence, index) for index in range(count)]
        bounds.append((start, end, kept))
        kept += -(-count // every)
    return Plan(_table(chunks, 2, device), _table(bounds, 3, device), kept)


def _table(rows: list[tuple[int, int]] | list[tuple[int, int, int]], columns: int, device: torch.device) -> Tensor:
    """In 64 bits: offsets into large tensors start from these numbers."""
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, columns).to(device)


def offsets_of(batch: int, tokens: int, cu_seqlens: Tensor | None) -> tuple[int, ...]:
    """Where each sequence starts in batch * tokens rows; reading `cu_seqlens` from a GPU waits for it."""
    if cu_seqlens is None:
        return tuple(range(0, batch * tokens + 1, tokens)) if tokens else (0,) * (batch + 1)
    return tuple(int(x) for x in cu_seqlens.tolist())
