"""Reading numbers exactly, rounding that never flatters, the exact convolution."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from problems.exact import numbers
from problems.exact.convolution import largest_coefficient
from problems.exact.domain import ExactProblem, SearchOptions

coefficients = st.lists(st.integers(0, 2**200), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ("nan", "the text 'nan'"),
        ("1/3", "the text '1/3'"),
        (True, "got bool"),
        (None, "got nothing"),
        ([1.0], "got list"),
        (float("nan"), "finite"),
        (float("inf"), "finite"),
        (-1.1e9, "finite"),
        (10**400, "finite"),
        (1e-101, "1e-100"),
        (5e-324, "1e-100"),
    ],
)
def test_what_is_not_a_plain_number_is_refused_with_the_reason(entry: object, part: str) -> None:
    with pytest.raises(numbers.Unreadable, match=part):
        numbers.number(entry)  # an answer can be anything


@given(st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) >= 1e-99))
def test_floats_are_read_as_what_they_are(value: float) -> None:
    assert numbers.number(value) == Fraction(*value.as_integer_ratio())


@pytest.mark.parametrize(
    ("answer", "part"),
    [(None, "got nothing"), ([], "got 0"), ([[0.0, 0.0]] * 3, "got 3"), ([[0.0], [0.0, 1.0]], "point 0: .* 1 coord"),
     ([0.5, 0.5], "got float"), ([[0.0, 0.0], [0.0, "nan"]], "entry 1"), ({"points": []}, "got dict")],
)  # fmt: skip
def test_points_of_another_shape_are_refused(answer: object, part: str) -> None:
    with pytest.raises(numbers.Unreadable, match=part):
        numbers.points(answer, 2, 2)


def test_a_huge_list_is_refused_before_its_entries_are_read() -> None:
    with pytest.raises(numbers.Unreadable, match="got 1000000"):
        numbers.sequence([object()] * 1_000_000, 1, 10, "heights")


@given(st.lists(st.fractions(max_denominator=10**6), min_size=1, max_size=8))
def test_whole_numbers_stand_for_the_same_values(values: list[Fraction]) -> None:
    whole, scale = numbers.whole(values)
    assert [Fraction(value, scale) for value in whole] == values


@given(st.fractions(min_value=-100, max_value=100))
def test_rounding_goes_one_way_and_no_further_than_one_float(value: Fraction) -> None:
    down, up = numbers.float_down(value), numbers.float_up(value)
    assert Fraction(down) <= value < Fraction(math.nextafter(down, math.inf))
    assert Fraction(math.nextafter(up, -math.inf)) < value <= Fraction(up)


@given(coefficients, coefficients)
@settings(deadline=None)
def test_the_largest_coefficient_is_that_of_the_product(first: list[int], second: list[int]) -> None:
    product = [0] * (len(first) + len(second) - 1)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            product[i + j] += a * b
    assert largest_coefficient(first, second) == (max(product), product.index(max(product)))


def test_negative_coefficients_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        largest_coefficient([1, -1], [1])


def test_limits_follow_the_time_that_a_program_is_told() -> None:
    from problems.autocorrelation.problem import Autocorrelation

    problem: ExactProblem = Autocorrelation(Autocorrelation.Options.model_validate({"cpu_s": 40.0}))
    assert isinstance(problem.options, SearchOptions)
    assert problem.request("explore", 2**32 + 3) == {"steps": 100, "seed": 3, "cpu_s": 40.0}
    assert problem.allowed().cpu_s == 53.0
    assert problem.needs("train", "explore").wall_s == problem.allowed().wall_s
