"""The audit of benchmarks/referees.py: honest referees pass it, and each kind of slip is found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from mpmath import iv

from benchmarks import referees
from cognition.records import Failure
from problems.circle_packing.referee import Circle, Verified
from problems.exact import numbers
from problems.heilbronn_triangle import referee as heilbronn
from problems.minimum_overlap import referee as overlap

BY_NAME = {case.name.partition(" ")[0]: case for case in referees.CASES}


@pytest.fixture(autouse=True)
def precision() -> Iterator[None]:
    before, iv.prec = iv.prec, referees.PRECISION_BITS
    yield
    iv.prec = before


@pytest.mark.parametrize("name", BY_NAME)
def test_no_verdict_near_the_boundary_is_contradicted(name: str) -> None:
    found = referees.audit(BY_NAME[name], 12, Random(name))
    assert found["accepted"] + found["refused"] == 12
    assert found["accepted"] >= 3
    assert (found["false accepts"], found["refused though fine"]) == (0, 0)


def unrepaired_circles(answer: Any) -> Any:
    circles = tuple(Circle(*(Fraction(value) for value in row)) for row in answer)
    return Verified(circles, sum((c.r for c in circles), Fraction(0)), Fraction(0))


def unrepaired_points(answer: Any) -> Any:
    points = tuple((Fraction(x), Fraction(y)) for x, y in answer)
    return heilbronn.Verified(points, *heilbronn.smallest_triangle(points), Fraction(0))


def unrepaired_heights(answer: Any) -> Any:
    try:
        heights = numbers.sequence(answer, 1, 100, "heights")
        return overlap.Verified(heights, *overlap.overlap(heights), Fraction(0))
    except ValueError as error:
        return numbers.invalid(str(error))


def flattered(name: str, field: str, factor: Fraction) -> Callable[[Any], Any]:
    """The honest referee with one value better than it is."""

    def judge(answer: Any) -> Any:
        verdict = BY_NAME[name].judge(answer)
        if isinstance(verdict, Failure):
            return verdict
        return dataclasses.replace(verdict, **{field: getattr(verdict, field) * factor})

    return judge


SLIP = Fraction(1, 10**20)


@pytest.mark.parametrize(
    ("name", "judge"),
    [
        ("circle_packing", unrepaired_circles),
        ("circle_packing", flattered("circle_packing", "total", 1 + SLIP)),
        ("heilbronn_triangle", unrepaired_points),
        ("heilbronn_triangle", flattered("heilbronn_triangle", "smallest", 1 + SLIP)),
        ("max_min_distance", flattered("max_min_distance", "squared_ratio", 1 - SLIP)),
        ("autocorrelation", flattered("autocorrelation", "bound", 1 - SLIP)),
        ("minimum_overlap", unrepaired_heights),
        ("minimum_overlap", flattered("minimum_overlap", "bound", 1 - SLIP)),
    ],
)
def test_a_referee_that_slips_is_found(name: str, judge: Callable[[Any], Any]) -> None:
    found = referees.audit(dataclasses.replace(BY_NAME[name], judge=judge), 8, Random(1))
    assert found["false accepts"] > 0
