"""Synthetic recall tasks in numpy: multi-query associative recall, recall after updates, selective copying.

`make(task, rng, batch)` gives tokens (B, T) and answers (B, T), with NO_ANSWER where nothing is asked. The trainer uses
it inside the sandbox for training; trusted code uses it outside, with a generator of its own, for held-out prompts,
of which only the tokens go in: no answer is ever part of a later token.

Multi-query associative recall is from Zoology (arXiv 2312.04927); the update variant binds each key several times and
asks for the latest value, so a memory that only adds cannot solve it. Token 0 is filler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]
NO_ANSWER = -1


@dataclass(frozen=True, slots=True)
class Task:
    """One task's sizes. `recall`: keys and values; `copy`: `pairs` letters of `keys`, hidden among filler."""

    kind: Literal["recall", "copy"]
    length: int
    pairs: int
    times: int = 1  # how often each key is bound; the latest counts
    keys: int = 32
    values: int = 32

    def __post_init__(self) -> None:
        used = 2 * self.pairs * self.times if self.kind == "recall" else 2 * self.pairs
        if used >= self.length or (self.kind == "recall" and self.pairs > self.keys):
            raise ValueError(f"{self}: expected more than {used} tokens of length and at least {self.pairs} keys")

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return 1 + self.keys + (self.values if self.kind == "recall" else 1)


def make(task: Task, rng: np.random.Generator, batch: int) -> tuple[Tokens, Tokens]:
    """Tokens and answers, (B, T) each."""
    return _recall(task, rng, batch) if task.kind == "recall" else _copy(task, rng, batch)


def _recall(task: Task, rng: np.random.Generator, batch: int) -> tuple[Tokens, Tokens]:
    """Bindings key, value, key, value, ...; then questions: a bound key, to be answered at its own position."""
    count = task.pairs * task.times
    chosen_BP = rng.random((batch, task.keys)).argsort(1)[:, : task.pairs]
    order_BN = rng.permuted(np.tile(np.arange(count) % task.pairs, (batch, 1)), axis=1)
    value_BN = rng.integers(task.values, size=(batch, count))
    latest_BP = np.zeros((batch, task.pairs), dtype=np.int64)
    rows = np.arange(batch)
    for n in range(count):
        latest_BP[rows, order_BN[:, n]] = value_BN[:, n]
    asked_BQ = rng.integers(task.pairs, size=(batch, task.length - 2 * count))
    first_value = 1 + task.keys
    bindings = np.stack([1 + np.take_along_axis(chosen_BP, order_BN, 1), first_value + value_BN], axis=2)
    questions = 1 + np.take_along_axis(chosen_BP, asked_BQ, 1)
    answers = np.full((batch, task.length), NO_ANSWER, dtype=np.int64)
    answers[:, 2 * count :] = first_value + np.take_along_axis(latest_BP, asked_BQ, 1)
    return np.concatenate([bindings.reshape(batch, -1), questions], axis=1), answers


def _copy(task: Task, rng: np.random.Generator, batch: int) -> tuple[Tokens, Tokens]:
    """Letters at random places among filler, then as many marks, each to be answered with the next letter."""
    body = task.length - task.pairs
    letter_BP = 1 + rng.integers(task.keys, size=(batch, task.pairs))
    place_BP = np.sort(rng.random((batch, body)).argsort(1)[:, : task.pairs], axis=1)
    tokens = np.zeros((batch, task.length), dtype=np.int64)
    np.put_along_axis(tokens, place_BP, letter_BP, 1)
    tokens[:, body:] = task.keys + 1
    answers = np.full((batch, task.length), NO_ANSWER, dtype=np.int64)
    answers[:, body:] = letter_BP
    return tokens, answers
