"""The exact referee of Heilbronn's problem in a triangle.

Given n points in a triangle of area 1, let A be the smallest area of the triangles that three of them span; A is to be
large (H. A. Heilbronn's question; the variant in a triangle is section B.9 of the AlphaEvolve paper, arXiv 2506.13131).
An affine map takes any triangle to any other and keeps ratios of areas, so nothing is lost by using the triangle with
corners (0, 0), (1, 0) and (0, 1): relative to its own area 1/2, the triangle of three points has the area
|det(b - a, c - a)|, a rational number.

A solver's points leave the triangle by about 1e-16. So all points are moved towards the centre (1/3, 1/3) by one exact
rational factor, just far enough; points that need more than `LARGEST_SHRINK` are refused, because they are outside
rather than rounded. The area is that of the moved points, and validity is decided on them without any tolerance.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from cognition.records import JSON, Failure
from problems.exact import numbers

LARGEST_SHRINK = Fraction(1, 10**6)
THIRD = Fraction(1, 3)

Point = tuple[Fraction, Fraction]


@dataclass(frozen=True, slots=True)
class Verified:
    """Points inside the triangle, their smallest triangle relative to it, and what the repair took off (relative)."""

    points: tuple[Point, ...]
    smallest: Fraction
    witnesses: tuple[int, int, int]  # three points that span it
    shrink: Fraction


def judge(answer: JSON, n: int) -> Verified | Failure:
    """The verified points, or why they are none."""
    try:
        points = tuple((x, y) for x, y in numbers.points(answer, n, 2))
    except numbers.Unreadable as error:
        return numbers.invalid(str(error))
    factor = shrink_factor(points)
    if factor < 1 - LARGEST_SHRINK:
        return numbers.invalid(f"{_worst(points)}; the triangle is x >= 0, y >= 0, x + y <= 1")
    if factor < 1:
        points = tuple((THIRD + factor * (x - THIRD), THIRD + factor * (y - THIRD)) for x, y in points)
    problem = fault(points)
    if problem is not None:
        return numbers.invalid(problem)
    smallest, witnesses = smallest_triangle(points)
    return Verified(points, smallest, witnesses, 1 - factor)


def fault(points: Sequence[Point]) -> str | None:
    """The first point that is outside, or None: the only place where validity is decided."""
    for index, (x, y) in enumerate(points):
        if x < 0 or y < 0 or x + y > 1:
            return f"point {index} is outside the triangle"
    return None


def shrink_factor(points: Sequence[Point]) -> Fraction:
    """The largest factor at most 1 that brings all points into the triangle, towards its centre."""
    lowest = min(min(x, y, 1 - x - y) for x, y in points)
    return 1 / (1 - 3 * lowest) if lowest < 0 else Fraction(1)


def smallest_triangle(points: Sequence[Point]) -> tuple[Fraction, tuple[int, int, int]]:
    """The area of the smallest triangle, relative to the whole, and its corners."""
    flat, scale = numbers.whole([value for point in points for value in point])
    rows = list(zip(flat[::2], flat[1::2], strict=True))
    area, witnesses = min(
        (abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])), (i, j, k))
        for (i, a), (j, b), (k, c) in itertools.combinations(enumerate(rows), 3)
    )
    return Fraction(area, scale * scale), witnesses


def _worst(points: Sequence[Point]) -> str:
    lowest, index = min((min(x, y, 1 - x - y), index) for index, (x, y) in enumerate(points))
    return f"point {index} is outside by {-float(lowest):.3g}"
