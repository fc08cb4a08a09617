from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognition.records import Failure, FailureKind
from problems.max_min_distance.referee import Verified, judge

values = st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-90)
planar = st.lists(st.tuples(values, values).map(list), min_size=3, max_size=7)


def ratio(answer: object, n: int, dimension: int = 2) -> Fraction:
    verdict = judge(answer, n, dimension)  # an answer can be anything
    assert isinstance(verdict, Verified), verdict
    return verdict.squared_ratio


@pytest.mark.parametrize(
    ("answer", "square"),
    [
        ([[0, 0], [1, 0], [0, 1], [1, 1]], 2),
        ([[0, 0], [3, 4], [3, 0]], Fraction(25, 9)),
        ([[0, 0], [1e-90, 0], [1e-90, 1e-90]], 2),
        ([[1e9, 0], [-1e9, 0], [0, 1e9]], 2),
    ],
)
def test_ratios_that_can_be_told_by_hand(answer: list[list[float]], square: Fraction) -> None:
    assert ratio(answer, len(answer)) == square


def test_in_space_a_tetrahedron_has_ratio_one() -> None:
    assert ratio([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], 4, 3) == 1


def test_two_equal_points_are_refused_and_two_neighbouring_floats_are_not() -> None:
    verdict = judge([[0.5, 0.5], [0.0, 0.0], [0.5, 0.5]], 3, 2)
    assert verdict == Failure(FailureKind.INVALID, "points 0 and 2 are the same")
    assert ratio([[0.5, 0.5], [0.0, 0.5], [math.nextafter(0.5, 1.0), 0.5]], 3) > 10**30


@given(planar)
@settings(deadline=None, max_examples=150)
def test_the_ratio_agrees_with_fractions(points: list[list[float]]) -> None:
    exact = [[Fraction(value) for value in point] for point in points]
    squares = [(a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 for a, b in itertools.combinations(exact, 2)]
    verdict = judge(points, len(points), 2)
    if min(squares) == 0:
        assert isinstance(verdict, Failure)
    else:
        assert isinstance(verdict, Verified)
        assert verdict.squared_ratio * min(squares) == max(squares)


@given(st.lists(st.tuples(st.integers(-99, 99), st.integers(-99, 99)), min_size=3, max_size=6, unique=True))
def test_moving_scaling_and_mirroring_change_nothing(points: list[tuple[int, int]]) -> None:
    plain = ratio([list(point) for point in points], len(points))
    assert ratio([[-0.25 * y + 7, 0.25 * x - 3] for x, y in points], len(points)) == plain
