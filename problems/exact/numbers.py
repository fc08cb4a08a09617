"""Numbers of an answer as exact rationals; whole numbers on a common denominator; rounding that never flatters.

An answer is JSON that the candidate chose. A float is a dyadic rational and is read as that; text, NaN and infinities
(which leave the sandbox as text) are refused. Nothing is clipped, rounded or sorted here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from cognition.records import JSON, Failure, FailureKind

LARGEST = 10**9  # in size; no problem here needs more
#: A float nearer to 0 than this is refused: one of 1e-300 makes all whole numbers 1,000 bits long, and a verdict slow.
SMALLEST = Fraction(1, 10**100)


class Unreadable(ValueError):
    """The answer is not what was asked for; the message says what was expected and what came."""


def number(entry: JSON) -> Fraction:
    """One JSON number exactly. Raises Unreadable.

    >>> number(0.5), number(3)
    (Fraction(1, 2), Fraction(3, 1))
    """
    if isinstance(entry, str):
        raise Unreadable(f"expected a number, got the text {entry[:20]!r}")
    if isinstance(entry, bool) or not isinstance(entry, int | float):
        raise Unreadable(f"expected a number, got {kind(entry)}")
    if not -LARGEST <= entry <= LARGEST:  # NaN fails both; integers of any size compare exactly
        raise Unreadable(f"expected a finite number of at most {LARGEST} in size")
    value = Fraction(entry)
    if value and abs(value) < SMALLEST:
        raise Unreadable("expected 0 or a number of at least 1e-100 in size")
    return value


def sequence(answer: JSON, fewest: int, most: int, what: str) -> tuple[Fraction, ...]:
    """Between `fewest` and `most` numbers. Raises Unreadable; a list that is too long is not looked into."""
    rows = _list(answer, fewest, most, what)
    return tuple(_at(index, row, what) for index, row in enumerate(rows))


def points(answer: JSON, n: int, dimension: int) -> tuple[tuple[Fraction, ...], ...]:
    """Exactly n points of exactly `dimension` coordinates. Raises Unreadable."""
    found = []
    for index, row in enumerate(_list(answer, n, n, "points")):
        if not isinstance(row, list) or len(row) != dimension:
            what = f"{len(row)} coordinates" if isinstance(row, list) else kind(row)
            raise Unreadable(f"point {index}: expected {dimension} coordinates, got {what}")
        found.append(tuple(_at(index, entry, "points") for entry in row))
    return tuple(found)


def whole(values: Sequence[Fraction]) -> tuple[list[int], int]:
    """The values as whole numbers over their least common denominator, which comes second.

    >>> whole([Fraction(1, 2), Fraction(1, 3)])
    ([3, 2], 6)
    """
    scale = math.lcm(*(value.denominator for value in values))
    return [value.numerator * (scale // value.denominator) for value in values], scale


def float_down(value: Fraction) -> float:
    """The largest float that is not above the value."""
    nearest = float(value)
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, -math.inf)


def float_up(value: Fraction) -> float:
    """The smallest float that is not below the value."""
    return -float_down(-value)


def invalid(reason: str) -> Failure:
    """The answer is no solution."""
    return Failure(FailureKind.INVALID, reason)


def kind(value: JSON) -> str:
    """What a JSON value is, for people."""
    return "nothing (None)" if value is None else type(value).__name__


def _list(answer: JSON, fewest: int, most: int, what: str) -> list[JSON]:
    expected = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    if not isinstance(answer, list):
        raise Unreadable(f"expected a list of {expected} {what}, got {kind(answer)}")
    if not fewest <= len(answer) <= most:
        raise Unreadable(f"expected {expected} {what}, got {len(answer)}")
    return answer


def _at(index: int, entry: JSON, what: str) -> Fraction:
    try:
        return number(entry)
    except Unreadable as error:
        raise Unreadable(f"{what}, entry {index}: {error}") from None
