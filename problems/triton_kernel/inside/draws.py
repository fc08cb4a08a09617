"""The inputs of timed calls, as a rule that both sides follow: inside with torch on the GPU, outside with numpy.

Only operators are used, so a function takes arrays of either kind, of 64-bit whole numbers, and gives the same numbers.
Powers of two are shifts: `2.0**n` is computed with an error of some units on a GPU.
Values are whole numbers below 128 times a power of two that changes from row to row: float32, float16 and bfloat16 hold
them without rounding. R rows, N columns.
"""

from __future__ import annotations

import hashlib
from typing import Any

WORD = 0xFFFFFFFF
FACTOR = 0x45D9F3B  # keeps products of a word below 2**63
POWERS = 12  # rows are scaled by 2**-10 to 2**1, so values reach from 2**-10 to 256
LOWEST = -10
ROWS = -1  # stands for an argument where the rows are chosen that are looked at


def mixed(counter: Any, key: int) -> Any:
    """A word of 32 bits for each counter, different for every key."""
    word = _stirred(counter & WORD) ^ (key & WORD)
    return _stirred(_stirred(word))


def _stirred(word: Any) -> Any:
    word = ((word ^ (word >> 16)) * FACTOR) & WORD
    word = ((word ^ (word >> 16)) * FACTOR) & WORD
    return word ^ (word >> 16)


def key(*numbers: int) -> int:
    """One word from several whole numbers: the seed, the case, the round, the contestant, the argument.

    A kernel sees inputs, and has time enough to search for the one word that they come from. So from that word no other
    call's follows, nor which rows are looked at.

    >>> key(1, 2) != key(2, 1)
    True
    """
    return int.from_bytes(hashlib.sha256("/".join(map(str, numbers)).encode()).digest()[:4], "little")


def values(key: int, row_R1: Any, column_1N: Any, columns: int) -> Any:
    """The elements at these rows and columns of a matrix that has so many columns."""
    word_RN = mixed(row_R1 * columns + column_1N, key)
    scale_R1 = 1 << (mixed(row_R1, key + 1) % POWERS)
    return ((word_RN & 255) - 128) * scale_R1 * 2.0**LOWEST


def rows(key: int, count: int, of: int) -> list[int]:
    """So many of the rows of a matrix; one may come twice."""
    return [mixed(number, key) % of for number in range(count)]
