"""Bits per byte of an n-gram model that is trained on cleaned texts and tested on held-out clean text.

A proxy for "a model trained on this data": bytes, interpolated by Witten and Bell's rule over orders 1 to ORDER. White
space is normalised on both sides, or it would flip the ranking. The budget is the size of the raw texts: a strategy
that deletes text trains on less, as it would in earnest; with a small equal budget deleting would be free.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ORDER = 6  # bytes: a context of five and the next one; at most 7, since eight are packed into 64 bits
Packed = NDArray[np.uint64]
Real = NDArray[np.float64]


def bits_per_byte(training: Sequence[str], budget_bytes: int, held_out: Sequence[str]) -> list[float]:
    """For each held-out text its bits per byte; lower is better."""
    corpus = _bytes("\n".join(training))[:budget_bytes]
    texts = [_bytes("\n" + text) for text in held_out]
    all_tests = np.concatenate(texts)
    probability_N = _probabilities(corpus, all_tests)
    ends = np.cumsum([len(text) for text in texts])
    starts = ends - [len(text) for text in texts]
    # The first bytes of a text have another text's end as context: they are left out.
    cost_N = -np.log2(probability_N)
    return [float(cost_N[start + ORDER : end].mean()) for start, end in zip(starts, ends, strict=True)]


def normalised(text: str) -> str:
    """White space as one blank, which both sides of a comparison get.

    >>> normalised("a \\n  b")
    'a b'
    """
    return re.sub(r"\s+", " ", text).strip()


def size_bytes(texts: Sequence[str]) -> int:
    """What the texts take once white space is normalised: the budget of raw texts."""
    return len(_bytes("\n".join(texts)))


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(normalised(text).encode("utf-8", "replace") + b" ", dtype=np.uint8)


def _probabilities(corpus: NDArray[np.uint8], test: NDArray[np.uint8]) -> Real:
    """P(byte | the bytes before it) at every place of the test text (the first ORDER are meaningless)."""
    probability_N: Real = np.full(len(test), 1.0 / 256.0)
    for order in range(1, ORDER + 1):
        grams, gram_counts = np.unique(_windows(corpus, order), return_counts=True)
        contexts = grams >> np.uint64(8)  # sorted as well
        firsts = np.flatnonzero(np.r_[True, contexts[1:] != contexts[:-1]]) if len(grams) else np.array([], np.intp)
        totals = np.add.reduceat(gram_counts, firsts) if len(firsts) else np.array([], np.int64)
        kinds = np.diff(np.r_[firsts, len(grams)])
        wanted = _windows(test, order)
        count_N = _looked_up(grams, gram_counts, wanted)
        total_N = _looked_up(contexts[firsts], totals, wanted >> np.uint64(8))
        kinds_N = _looked_up(contexts[firsts], kinds, wanted >> np.uint64(8))
        lower = probability_N[order - 1 :]
        mixed = (count_N + kinds_N * lower) / np.maximum(total_N + kinds_N, 1.0)
        probability_N[order - 1 :] = np.where(total_N > 0, mixed, lower)
    return probability_N


def _windows(data: NDArray[np.uint8], order: int) -> Packed:
    """Every run of `order` bytes as one number, the last byte lowest."""
    packed: Packed = np.zeros(max(0, len(data) - order + 1), dtype=np.uint64)
    for offset in range(order):
        packed = (packed << np.uint64(8)) | data[offset : offset + len(packed)].astype(np.uint64)
    return packed


def _looked_up(keys: Packed, values: NDArray[np.int64], wanted: Packed) -> Real:
    """The value of each wanted key, 0 where there is none. Keys are sorted."""
    if len(keys) == 0:
        return np.zeros(len(wanted))
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0).astype(np.float64)
