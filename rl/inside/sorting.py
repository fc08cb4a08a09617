"""The proxy's task: sort 3 to 7 digits. Prompts, right answers, the base's four behaviours. numpy, no torch.

A prompt is seven places, filled from the left with BLANK, and ARROW; a completion is up to seven digits and END. The
prompts of the three parts are disjoint by a hash of their digits, so that no seed decides who sees what.

Shapes: N prompts or completions, P = 8 prompt tokens, T = 8 completion tokens.
"""

from __future__ import annotations

import zlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]
Part = Literal["train", "choose", "report"]
Reward = Literal["exact", "graded", "coin"]

BLANK, ARROW, END = 10, 11, 12
VOCABULARY = 13
SHORTEST, LONGEST = 3, 7
PROMPT = LONGEST + 1
COMPLETION = LONGEST + 1
BEHAVIOURS = {"right": 0.3, "reversed": 0.3, "copied": 0.2, "truncated": 0.2}  # the base's mixture
_PART: dict[int, Part] = {6: "choose", 7: "report"}


def part_of(digits: list[int]) -> Part:
    """Which part a prompt belongs to: six of eight hashes train, one each chooses the learning rate and reports."""
    return _PART.get(zlib.crc32(bytes(digits)) % 8, "train")


def draw(rng: np.random.Generator, count: int, part: Part) -> list[list[int]]:
    """Lists of digits of that part."""
    found: list[list[int]] = []
    while len(found) < count:
        digits = rng.integers(10, size=int(rng.integers(SHORTEST, LONGEST + 1))).tolist()
        if part_of(digits) == part:
            found.append(digits)
    return found


def prompts(lists: list[list[int]]) -> Tokens:
    """The prompts' tokens, (N, P)."""
    rows = [[BLANK] * (LONGEST - len(digits)) + digits + [ARROW] for digits in lists]
    return np.array(rows, dtype=np.int64)


def behave(digits: list[int], behaviour: str) -> list[int]:
    """What a behaviour answers.

    >>> [behave([3, 1, 2], name) for name in BEHAVIOURS]
    [[1, 2, 3], [2, 1, 3], [3, 1, 2], [1, 2]]
    """
    if behaviour == "right":
        return sorted(digits)
    if behaviour == "reversed":
        return digits[::-1]
    return list(digits) if behaviour == "copied" else sorted(digits)[:-1]


def completions(answers: list[list[int]]) -> Tokens:
    """Answers as tokens, (N, T): digits, END, then BLANK, which no loss counts."""
    rows = [answer + [END] + [BLANK] * (COMPLETION - 1 - len(answer)) for answer in answers]
    return np.array(rows, dtype=np.int64)


def mask(tokens_NT: Tokens) -> NDArray[np.bool_]:
    """The tokens up to and with the first END, (N, T)."""
    ended_NT = np.cumsum(tokens_NT == END, axis=1)
    counted_NT: NDArray[np.bool_] = (ended_NT == 0) | ((ended_NT == 1) & (tokens_NT == END))
    return counted_NT


def rewards(lists: list[list[int]], tokens_NT: Tokens, kind: Reward, rng: np.random.Generator) -> NDArray[np.float32]:
    """One number per completion, (N,). `coin` is spurious: it does not look at the completion."""
    if kind == "coin":
        return rng.integers(2, size=len(lists)).astype(np.float32)
    right_NT = completions([sorted(digits) for digits in lists])
    counted_NT = mask(right_NT)
    equal_NT = (right_NT == tokens_NT) | ~counted_NT
    if kind == "exact":
        right_N: NDArray[np.float32] = equal_NT.all(1).astype(np.float32)
        return right_N
    prefix_NT = np.cumprod(equal_NT, axis=1) * counted_NT
    share_N: NDArray[np.float32] = (prefix_NT.sum(1) / counted_NT.sum(1)).astype(np.float32)
    return share_N
