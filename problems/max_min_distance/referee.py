"""The exact referee of the ratio of the largest to the smallest distance among n points.

Given n points in the plane (or in space), let R be the largest distance of two of them divided by the smallest; R is to
be small (section B.8 of the AlphaEvolve paper, arXiv 2506.13131; E. Friedman's Packing Center keeps the records in the
plane). The squared ratio is rational, so it is what is compared and reported. It does not change when points are moved,
turned or scaled together, so nothing has to be repaired: whatever numbers come, they are the points.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

from cognition.records import JSON, Failure
from problems.exact import numbers


@dataclass(frozen=True, slots=True)
class Verified:
    """The squared ratio, and which pairs are nearest and farthest."""

    squared_ratio: Fraction
    nearest: tuple[int, int]
    farthest: tuple[int, int]


def judge(answer: JSON, n: int, dimension: int) -> Verified | Failure:
    """The exact squared ratio, or why there is none."""
    try:
        points = numbers.points(answer, n, dimension)
    except numbers.Unreadable as error:
        return numbers.invalid(str(error))
    flat, _ = numbers.whole([value for point in points for value in point])
    rows = [flat[start : start + dimension] for start in range(0, len(flat), dimension)]
    squares = [
        (sum((a - b) ** 2 for a, b in zip(one, other, strict=True)), (i, j))
        for (i, one), (j, other) in itertools.combinations(enumerate(rows), 2)
    ]
    (least, nearest), (most, farthest) = min(squares), max(squares)
    if least == 0:
        return numbers.invalid(f"points {nearest[0]} and {nearest[1]} are the same")
    return Verified(Fraction(most, least), nearest, farthest)
