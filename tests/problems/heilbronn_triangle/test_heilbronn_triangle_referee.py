from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognition.records import Failure, FailureKind
from problems.heilbronn_triangle.referee import LARGEST_SHRINK, Point, Verified, fault, judge, shrink_factor

CORNERS = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
places = st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)).map(lambda p: [round(p[0], 30), round(p[1], 30)])
inside = places.map(lambda p: p if p[0] + p[1] <= 1 else [1 - p[0], 1 - p[1]])


def accepted(answer: object, n: int) -> Verified:
    verdict = judge(answer, n)  # an answer can be anything
    assert isinstance(verdict, Verified), verdict
    return verdict


def area_by_barycentric_determinant(points: tuple[Point, ...]) -> Fraction:
    """Another formula: the 3 by 3 determinant of barycentric coordinates, in fractions."""

    def one(a: Point, b: Point, c: Point) -> Fraction:
        (p, q), (r, s), (t, u) = a, b, c
        rows = ((1 - p - q, p, q), (1 - r - s, r, s), (1 - t - u, t, u))
        return sum(
            (rows[0][i] * (rows[1][j] * rows[2][k] - rows[1][k] * rows[2][j])
            for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1))), Fraction(0))  # fmt: skip

    return min(abs(one(*three)) for three in itertools.combinations(points, 3))


@pytest.mark.parametrize(
    ("answer", "area"),
    [
        (CORNERS, Fraction(1)),
        ([*CORNERS, [0.25, 0.25]], Fraction(1, 4)),
        ([[0.5, 0.0], [0.0, 0.5], [0.5, 0.5]], Fraction(1, 4)),
        ([[0.0, 0.0], [0.25, 0.25], [0.5, 0.5]], Fraction(0)),
        ([[0.25, 0.25]] * 3, Fraction(0)),
    ],
)
def test_areas_that_can_be_told_by_hand(answer: list[list[float]], area: Fraction) -> None:
    verified = accepted(answer, len(answer))
    assert (verified.smallest, verified.shrink) == (area, Fraction(0))


def test_rounding_outside_is_repaired_and_costs_a_little() -> None:
    beyond = [[0.0, 0.0], [math.nextafter(1.0, 2.0), 0.0], [0.0, 1.0]]
    verified = accepted(beyond, 3)
    assert 0 < verified.shrink < Fraction(1, 10**15)
    assert fault(verified.points) is None
    assert 1 - Fraction(1, 10**14) < verified.smallest < 1


@pytest.mark.parametrize(("excess", "fits"), [(2e-7, True), (4e-7, False), (1e-3, False), (1.0, False)])
def test_points_farther_outside_than_the_repair_are_refused(excess: float, fits: bool) -> None:
    verdict = judge([[0.0, -excess], [1.0, 0.0], [0.0, 1.0]], 3)
    assert isinstance(verdict, Verified) == fits
    if isinstance(verdict, Failure):
        assert verdict.kind is FailureKind.INVALID
        assert "point 0 is outside" in verdict.reason


@given(st.lists(inside, min_size=3, max_size=6))
@settings(deadline=None, max_examples=150)
def test_the_area_agrees_with_another_formula(points: list[list[float]]) -> None:
    verdict = judge(points, len(points))
    if isinstance(verdict, Verified):
        assert fault(verdict.points) is None
        assert verdict.smallest == area_by_barycentric_determinant(verdict.points)


@given(st.lists(inside, min_size=3, max_size=5), st.integers(0, 2), st.floats(-3e-6, 3e-6))
@settings(deadline=None, max_examples=150)
def test_around_the_border_nothing_outside_is_accepted(points: list[list[float]], index: int, beyond: float) -> None:
    points = [list(point) for point in points]
    points[index] = [points[index][0], 1.0 - points[index][0] + beyond]
    exact = tuple((Fraction(x), Fraction(y)) for x, y in points)
    verdict = judge(points, len(points))
    if isinstance(verdict, Failure):
        assert "1e-100" in verdict.reason or shrink_factor(exact) < 1 - LARGEST_SHRINK
        return
    assert all(x >= 0 and y >= 0 and x + y <= 1 for x, y in verdict.points)
    assert verdict.smallest <= area_by_barycentric_determinant(exact)


def test_the_repair_is_no_larger_than_needed() -> None:
    points = ((Fraction(-1, 10**7), Fraction(1, 2)), (Fraction(1, 2), Fraction(1, 4)), (Fraction(0), Fraction(0)))
    factor = shrink_factor(points)
    third = Fraction(1, 3)
    moved = [third + factor * (x - third) for x, _ in points]
    assert min(moved) == 0
