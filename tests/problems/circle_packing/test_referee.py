from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from cognition.records import Failure, FailureKind
from problems.circle_packing.referee import (
    LARGEST_SHRINK,
    Circle,
    Rectangle,
    Verified,
    decimal_down,
    fault,
    float_down,
    judge,
    number,
    shrink_factor,
)

UNIT = Rectangle(Fraction(1), Fraction(1))
unit_floats = st.floats(0.0, 1.0, allow_nan=False)


def reason(answer: object, n: int = 1, box: Rectangle = UNIT) -> str:
    verdict = judge(answer, n, box)
    assert isinstance(verdict, Failure), verdict
    assert verdict.kind is FailureKind.INVALID
    return verdict.reason


def accepted(answer: object, n: int, box: Rectangle = UNIT) -> Verified:
    verdict = judge(answer, n, box)
    assert isinstance(verdict, Verified), verdict
    return verdict


def is_valid_by_integers(circles: tuple[Circle, ...], box: Rectangle) -> bool:
    """An independent check: everything on one common denominator, whole numbers only."""
    numbers = [value for c in circles for value in (c.x, c.y, c.r)] + [box.width, box.height]
    scale = math.lcm(*(value.denominator for value in numbers))
    *flat, width, height = [value.numerator * (scale // value.denominator) for value in numbers]
    rows = [flat[k : k + 3] for k in range(0, len(flat), 3)]
    for k, (x, y, r) in enumerate(rows):
        if r <= 0 or x - r < 0 or y - r < 0 or x + r > width or y + r > height:
            return False
        if any((x - u) ** 2 + (y - v) ** 2 < (r + s) ** 2 for u, v, s in rows[:k]):
            return False
    return True


def test_two_touching_circles_are_valid_and_their_sum_is_exact() -> None:
    verified = accepted([[0.25, 0.5, 0.25], [0.75, 0.5, 0.25]], 2)
    assert (verified.total, verified.shrink) == (Fraction(1, 2), Fraction(0))


def test_the_next_float_above_contact_is_repaired_not_accepted() -> None:
    too_wide = math.nextafter(0.25, 1.0)
    verified = accepted([[0.25, 0.5, too_wide], [0.75, 0.5, 0.25]], 2)
    assert verified.shrink > 0
    assert verified.total < Fraction(1, 2)
    assert Fraction(1, 2) - verified.total < Fraction(1, 10**12)


def test_a_packing_just_outside_the_repairable_range_is_refused() -> None:
    assert "overlap by" in reason([[0.25, 0.5, 0.25 * (1 + 3e-6)], [0.75, 0.5, 0.25]], 2)
    accepted([[0.25, 0.5, 0.25 * (1 + 1e-7)], [0.75, 0.5, 0.25]], 2)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (None, "got nothing"),
        ({"circles": []}, "got dict"),
        ("circles", "got str"),
        ([], "expected 1 circles, got 0"),
        ([[0.5, 0.5, 0.1]] * 2, "expected 1 circles, got 2"),
        ([[0.5, 0.5]], "2 entries"),
        ([[0.5, 0.5, 0.1, 0.1]], "4 entries"),
        ([0.5], "got float"),
        ([[0.5, 0.5, True]], "got bool"),
        ([[0.5, 0.5, None]], "got nothing"),
        ([[0.5, 0.5, [0.1]]], "got list"),
        ([[0.5, 0.5, float("nan")]], "finite"),
        ([[0.5, float("inf"), 0.1]], "finite"),
        ([[0.5, 0.5, 10**400]], "finite"),
        ([[0.5, 0.5, "nan"]], "plain decimal"),
        ([[0.5, 0.5, "1e-1"]], "plain decimal"),
        ([[0.5, 0.5, "1e999999999"]], "plain decimal"),
        ([[0.5, 0.5, "0." + "1" * 100]], "at most 64"),
        ([[0.5, 0.5, "1/0"]], "divides by zero"),
        ([[0.5, 0.5, "0x1p-3"]], "plain decimal"),
        ([[0.5, 0.5, "1_0/100"]], "plain decimal"),
        ([[0.5, 0.5, " 0.1"]], "plain decimal"),
        ([[0.5, 0.5, "0.1\n"]], "plain decimal"),
        ([[0.5, 0.5, "٠.١"]], "plain decimal"),
        ([[0.5, 0.5, 0]], "more than 0"),
        ([[0.5, 0.5, -0.1]], "more than 0"),
        ([[0.5, 0.5, 0.6]], "sticks out"),
        ([[2.0, 0.5, 0.1]], "sticks out"),
        ([[1.0, 0.5, 0.1]], "sticks out"),
    ],
)
def test_what_is_not_a_packing_is_refused_with_the_reason(answer: object, part: str) -> None:
    assert part in reason(answer)


def test_two_circles_at_the_same_place_are_refused() -> None:
    assert "overlap" in reason([[0.5, 0.5, 0.1], [0.5, 0.5, 0.1]], 2)


def test_text_is_read_exactly() -> None:
    assert accepted([["1/3", "0.5", "1/3"]], 1).total == Fraction(1, 3)


def test_the_rectangle_counts_not_the_unit_square() -> None:
    assert accepted([[1.5, 0.5, 0.5]], 1, Rectangle(Fraction(2), Fraction(1))).total == Fraction(1, 2)


@given(st.integers(-(10**8), 10**8), st.integers(1, 10**8))
def test_ratios_and_floats_are_read_exactly(top: int, bottom: int) -> None:
    assert number(f"{top}/{bottom}") == Fraction(top, bottom)
    assert number(top / bottom) == Fraction(*(top / bottom).as_integer_ratio())


@given(st.lists(st.tuples(unit_floats, unit_floats, st.floats(1e-9, 0.6)), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_nothing_invalid_is_ever_accepted(rows: list[tuple[float, float, float]]) -> None:
    verdict = judge([list(row) for row in rows], len(rows), UNIT)
    if isinstance(verdict, Verified):
        assert is_valid_by_integers(verdict.circles, UNIT)
        assert verdict.total == sum(c.r for c in verdict.circles)
        assert verdict.total <= sum(Fraction(r) for _, _, r in rows)


@given(unit_floats, unit_floats, unit_floats, unit_floats, st.floats(0.01, 0.99), st.integers(-40, 40))
@settings(max_examples=300, deadline=None)
@example(0.25, 0.5, 0.75, 0.5, 0.5, 1)
def test_around_contact_the_verdict_is_valid_and_loses_almost_nothing(
    x: float, y: float, u: float, v: float, share: float, steps: int
) -> None:
    """Two circles in a large box whose radii add up to their distance, a few floats more or less."""
    distance = math.hypot(x - u, y - v)
    assume(distance > 1e-3)
    box = Rectangle(Fraction(9), Fraction(9))
    r = share * distance
    s = distance - r
    for _ in range(abs(steps)):
        s = math.nextafter(s, math.inf if steps > 0 else 0.0)
    verified = accepted([[x + 4, y + 4, r], [u + 4, v + 4, s]], 2, box)
    assert is_valid_by_integers(verified.circles, box)
    assert verified.shrink < Fraction(1, 10**11)


@given(st.lists(st.tuples(unit_floats, unit_floats, st.floats(1e-6, 0.3)), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_the_factor_is_enough_and_not_wasteful(rows: list[tuple[float, float, float]]) -> None:
    circles = tuple(Circle(Fraction(x), Fraction(y), Fraction(r)) for x, y, r in rows)
    factor = shrink_factor(circles, UNIT)
    assume(factor > 0)
    shrunk = tuple(Circle(c.x, c.y, c.r * factor) for c in circles)
    assert is_valid_by_integers(shrunk, UNIT)
    if factor < 1:
        larger = tuple(Circle(c.x, c.y, c.r * (factor + Fraction(1, 10**20))) for c in circles)
        assert not is_valid_by_integers(larger, UNIT)


@pytest.mark.parametrize("excess", [Fraction(1, 10**6), Fraction(1, 10**15), Fraction(1, 10**40)])
def test_verification_has_no_tolerance_whatever_the_repair_did(excess: Fraction) -> None:
    half, quarter = Fraction(1, 2), Fraction(1, 4)
    touching = (Circle(quarter, half, quarter), Circle(3 * quarter, half, quarter))
    assert fault(touching, UNIT) is None
    overlapping = (Circle(quarter + excess, half, quarter), Circle(3 * quarter, half, quarter))
    assert fault(overlapping, UNIT) == "circles 0 and 1 overlap"
    for x, y in ((quarter - excess, half), (half, quarter - excess), (3 * quarter + excess, half),
                 (half, 3 * quarter + excess)):  # fmt: skip
        assert fault((Circle(x, y, quarter),), UNIT) == "circle 0 sticks out of the rectangle"


def test_fault_agrees_with_the_integer_check_on_a_grid_of_cases() -> None:
    sizes = [Fraction(k, 8) for k in range(1, 5)]
    for r in sizes:
        for s in sizes:
            pair = (Circle(Fraction(1, 4), Fraction(1, 2), r), Circle(Fraction(3, 4), Fraction(1, 2), s))
            assert (fault(pair, UNIT) is None) == is_valid_by_integers(pair, UNIT)


@given(st.fractions(min_value=0, max_value=100, max_denominator=10**9), st.integers(1, 15))
def test_decimals_never_claim_more_than_there_is(value: Fraction, digits: int) -> None:
    shown = Fraction(Decimal(decimal_down(value, digits)))
    assert shown <= value < shown + Fraction(1, 10**digits)


@given(st.fractions(min_value=0, max_value=100))
def test_the_fitness_is_the_largest_float_not_above_the_sum(value: Fraction) -> None:
    rounded = float_down(value)
    assert Fraction(rounded) <= value < Fraction(math.nextafter(rounded, math.inf))


def test_the_limit_of_repair_is_a_millionth() -> None:
    assert Fraction(1, 10**6) == LARGEST_SHRINK
