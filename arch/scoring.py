"""Trusted scores: accuracies and bits per byte from hidden states, and the fitness. No torch.

The head and the log-softmax are applied here, in float64. Held-out prompts are made here; their answers stay here.

Shapes: W windows, T time, D d_model, V vocabulary.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.inside.synthetic import NO_ANSWER, Task, Tokens, make

SOLVED = 0.9  # accuracy from which a run counts as a success
STEEPNESS = 6.0  # sigma(6 * clip(relative gain / 10%)): the form of the paper's forerunner, with equal weights
FULL_GAIN = 0.1
MOST_LOGARITHMS = 2**23  # at once


@dataclass(frozen=True, slots=True)
class Prompts:
    """Held-out prompts of a task: the first half chooses the learning rate, the second half is reported."""

    tokens: Tokens
    answers: Tokens

    def accuracy(self, predicted_BT: Tokens, part: slice) -> float:
        """The share of right answers in a part of the prompts."""
        asked = self.answers[part] != NO_ANSWER
        return float((predicted_BT[part][asked] == self.answers[part][asked]).mean())

    @property
    def choosing(self) -> slice:
        """The first half."""
        return slice(0, len(self.tokens) // 2)

    @property
    def reported(self) -> slice:
        """The second half."""
        return slice(len(self.tokens) // 2, None)


def prompts(task: Task, count: int, seed: int) -> Prompts:
    """Twice `count` prompts that no training run sees (its generator has another seed)."""
    return Prompts(*make(task, _rng("prompts", seed), 2 * count))


def windows(text: bytes, length: int, count: int, seed: int) -> Tokens:
    """`count` windows of length + 1 bytes, (W, T + 1), that do not overlap. Raises ValueError if the text is short."""
    whole = np.frombuffer(text, dtype=np.uint8).astype(np.int64)
    available = len(whole) // (length + 1)
    if available < count:
        raise ValueError(f"{len(text)} bytes hold {available} windows of {length + 1}, expected {count}")
    grid = whole[: available * (length + 1)].reshape(available, length + 1)
    return grid[np.sort(_rng("windows", seed).permutation(available)[:count])]


def _rng(purpose: str, seed: int) -> np.random.Generator:
    digest = hashlib.sha256(f"arch held out {purpose} {seed}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def all_log_probabilities(hidden_ND: NDArray[np.float32], head_VD: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln p of every token at each position, (N, V)."""
    logits_NV = hidden_ND.astype(np.float64) @ head_VD.T
    top_N1 = logits_NV.max(-1, keepdims=True)
    logarithms_NV: NDArray[np.float64] = logits_NV - top_N1 - np.log(np.exp(logits_NV - top_N1).sum(-1, keepdims=True))
    return logarithms_NV


def predicted(hidden_WTD: NDArray[np.float32], head_VD: NDArray[np.float64]) -> Tokens:
    """The likeliest token at each position, (W, T)."""
    tokens_WT: Tokens = (hidden_WTD.astype(np.float64) @ head_VD.T).argmax(-1)
    return tokens_WT


def log_probabilities(
    hidden_ND: NDArray[np.float32], head_VD: NDArray[np.float64], next_N: Tokens
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """ln p(next token) at each position (N,), and whether that token is the likeliest.

    In pieces: all logarithms of 2,000 positions and 32,000 tokens are half a gigabyte.
    """
    rows = max(1, MOST_LOGARITHMS // len(head_VD))
    chosen, likeliest = [np.zeros(0)], [np.zeros(0, dtype=np.bool_)]
    for start in range(0, len(next_N), rows):
        next_R = next_N[start : start + rows]
        logarithms_RV = all_log_probabilities(hidden_ND[start : start + rows], head_VD)
        chosen.append(np.take_along_axis(logarithms_RV, next_R[:, None], -1)[:, 0])
        likeliest.append(logarithms_RV.argmax(-1) == next_R)
    return np.concatenate(chosen), np.concatenate(likeliest)


def bits_per_byte(
    hidden_WTD: NDArray[np.float32], head_VD: NDArray[np.float64], next_WT: Tokens
) -> NDArray[np.float64]:
    """The mean of -log2 p(next byte) of each window, (W,)."""
    logarithms, _ = log_probabilities(hidden_WTD.reshape(-1, hidden_WTD.shape[-1]), head_VD, next_WT.reshape(-1))
    bits_W: NDArray[np.float64] = -logarithms.reshape(next_WT.shape).mean(1) / math.log(2.0)
    return bits_W


def term(relative_gain: float) -> float:
    """One term of the fitness: 0.5 for no gain, sigma(6) for 10% or more.

    >>> term(0.0), round(term(0.05), 3), term(0.5) == term(0.1)
    (0.5, 0.953, True)
    """
    return 1.0 / (1.0 + math.exp(-STEEPNESS * min(1.0, max(-1.0, relative_gain / FULL_GAIN))))


def fitness(loss: float, benchmark: float, base_loss: float, base_benchmark: float) -> float:
    """The mean of the two terms. The forerunner's third, a judge's, is left out."""
    loss_gain = (base_loss - loss) / base_loss
    benchmark_gain = (benchmark - base_benchmark) / max(base_benchmark, 1e-9)
    return 0.5 * (term(loss_gain) + term(benchmark_gain))


def spread(values: Sequence[float]) -> float | None:
    """The standard error of the mean, None for fewer than two values."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
