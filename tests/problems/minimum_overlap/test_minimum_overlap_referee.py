from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cognition.records import Failure, FailureKind
from problems.minimum_overlap.referee import LARGEST_REPAIR, Verified, judge, repair_factor

unit = st.floats(0.0, 1.0).filter(lambda value: value == 0 or value > 1e-90)


def verified(answer: object) -> Verified:
    verdict = judge(answer)  # an answer can be anything
    assert isinstance(verdict, Verified), verdict
    return verdict


def overlap(heights: Sequence[Fraction], x: Fraction) -> Fraction:
    """The integral of h(t) g(t + x) by its definition: lengths on which t is in one step and t + x in another."""
    width = Fraction(2, len(heights))
    total = Fraction(0)
    for i, h in enumerate(heights):
        for j, other in enumerate(heights):
            low, high = max(i * width, j * width - x), min((i + 1) * width, (j + 1) * width - x)
            total += h * (1 - other) * max(Fraction(0), high - low)
    return total


def balanced(halves: list[float]) -> list[float]:
    """Heights whose integral is 1 up to rounding: each with its complement."""
    return [*halves, *(1.0 - value for value in reversed(halves))]


@pytest.mark.parametrize(
    ("heights", "bound", "shift"),
    [
        ([0.5], Fraction(1, 2), 0),
        ([0.5] * 6, Fraction(1, 2), 0),
        ([1.0, 0.0], 1, 1),
        ([0.0, 1.0, 1.0, 0.0], Fraction(1, 2), -1),
    ],
)
def test_overlaps_that_can_be_told_by_hand(heights: list[float], bound: Fraction, shift: Fraction) -> None:
    verdict = verified(heights)
    assert (verdict.bound, verdict.shift, verdict.repair) == (bound, shift, Fraction(0))


@given(st.lists(unit, min_size=1, max_size=4), st.fractions(min_value=-2, max_value=2, max_denominator=40))
@settings(deadline=None, max_examples=150)
def test_no_shift_overlaps_more_and_the_worst_one_is_reached(halves: list[float], x: Fraction) -> None:
    verdict = verified(balanced(halves))
    assert sum(verdict.heights) * 2 == len(verdict.heights)
    assert all(0 <= height <= 1 for height in verdict.heights)
    assert overlap(verdict.heights, x) <= verdict.bound == overlap(verdict.heights, verdict.shift)


@given(st.lists(unit, min_size=1, max_size=4), st.floats(-3e-6, 3e-6))
@settings(deadline=None, max_examples=200)
def test_an_integral_that_is_off_is_repaired_or_refused(halves: list[float], off: float) -> None:
    heights = [min(1.0, max(0.0, value * (1.0 + off))) for value in balanced(halves)]
    assume(all(value == 0 or value > 1e-90 for value in heights))
    exact = [Fraction(value) for value in heights]
    verdict = judge(heights)
    assert isinstance(verdict, Failure) == (repair_factor(exact) < 1 - LARGEST_REPAIR)
    if isinstance(verdict, Verified):
        assert sum(verdict.heights) * 2 == len(heights)
        assert all(0 <= height <= 1 for height in verdict.heights)
        moved = max(abs(after - before) for after, before in zip(verdict.heights, exact, strict=True))
        assert moved <= verdict.repair <= LARGEST_REPAIR


@given(st.lists(unit, min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_mirroring_exchanging_and_splitting_steps_change_nothing(halves: list[float]) -> None:
    heights = [value if value > 1e-90 else 0.0 for value in (round(64 * value) / 64 for value in balanced(halves))]
    bound = verified(heights).bound
    assert verified(heights[::-1]).bound == bound
    assert verified([1.0 - value for value in heights]).bound == bound
    assert verified([value for value in heights for _ in range(2)]).bound == bound


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ([0.5, 0.6], "integral of h is 1.1"),
        ([1.0, 1.0], "integral of h is 2"),
        ([0.0, 0.0], "integral of h is 0"),
        ([1.0000000000000002, 0.0], "height 0 is 1.0000000000000002"),
        ([-1e-17, 1.0], "height 0 is -1.0000000000000001e-17"),
        ([0.5] * 1001, "got 1001"),
        ([0.5, "nan"], "entry 1"),
        (0.5, "got float"),
    ],
)
def test_what_is_no_such_function_is_refused_with_the_reason(answer: object, part: str) -> None:
    verdict = judge(answer)
    assert isinstance(verdict, Failure)
    assert verdict.kind is FailureKind.INVALID
    assert part in verdict.reason
