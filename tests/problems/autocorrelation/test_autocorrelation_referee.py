from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognition.records import Failure, FailureKind
from problems.autocorrelation.referee import Verified, judge

heights_of = st.lists(
    st.floats(0.0, 1e9).filter(lambda value: value == 0 or value > 1e-90), min_size=1, max_size=8
).filter(any)


def verified(answer: object) -> Verified:
    verdict = judge(answer)  # an answer can be anything
    assert isinstance(verdict, Verified), verdict
    return verdict


def autoconvolution(heights: list[float], t: Fraction) -> Fraction:
    """The integral of f(x) f(t - x) by its definition: the lengths on which x is in one step and t - x in another."""
    width = Fraction(1, 2 * len(heights))
    edges = [Fraction(-1, 4) + index * width for index in range(len(heights) + 1)]
    total = Fraction(0)
    for i, a in enumerate(heights):
        for j, b in enumerate(heights):
            low, high = max(edges[i], t - edges[j + 1]), min(edges[i + 1], t - edges[j])
            total += Fraction(a) * Fraction(b) * max(Fraction(0), high - low)
    return total


@pytest.mark.parametrize(
    ("heights", "bound", "peak"),
    [
        ([1.0], 2, 0),
        ([3.0] * 7, 2, 0),
        ([1.0, 0.0], 4, Fraction(-1, 4)),
        ([1.0, 0.0, 0.0, 1.0], 4, 0),
        ([2.0, 1.0, 1.0], Fraction(15, 8), Fraction(0)),
    ],
)
def test_bounds_that_can_be_told_by_hand(heights: list[float], bound: Fraction, peak: Fraction) -> None:
    verdict = verified(heights)
    assert (verdict.bound, verdict.peak, verdict.steps) == (bound, peak, len(heights))


@given(heights_of, st.fractions(min_value=Fraction(-1, 2), max_value=Fraction(1, 2), max_denominator=50))
@settings(deadline=None, max_examples=150)
def test_no_place_lies_above_the_peak_and_the_peak_is_reached(heights: list[float], t: Fraction) -> None:
    verdict = verified(heights)
    integral = sum(map(Fraction, heights)) / (2 * len(heights))
    assert autoconvolution(heights, t) <= verdict.bound * integral**2
    assert autoconvolution(heights, verdict.peak) == verdict.bound * integral**2


@given(heights_of)
@settings(deadline=None, max_examples=60)
def test_scaling_mirroring_and_splitting_steps_change_nothing(heights: list[float]) -> None:
    bound = verified(heights).bound
    assert verified(heights[::-1]).bound == bound
    assert verified([value / 2 for value in heights]).bound == bound
    assert verified([value for value in heights for _ in range(2)]).bound == bound


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ([0.0, 0.0], "0 everywhere"),
        ([1.0, -1e-17], "height 1 is -1e-17"),
        ([1.0] * 1001, "got 1001"),
        ([1.0, "nan"], "entry 1"),
        ([[1.0]], "got list"),
        (None, "got nothing"),
    ],
)
def test_what_is_no_function_is_refused_with_the_reason(answer: object, part: str) -> None:
    verdict = judge(answer)
    assert isinstance(verdict, Failure)
    assert verdict.kind is FailureKind.INVALID
    assert part in verdict.reason
