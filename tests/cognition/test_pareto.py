"""The front against its definition."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognition.pareto import dominates, front

_points = st.integers(1, 3).flatmap(
    lambda axes: st.dictionaries(
        st.text("abc", min_size=1, max_size=4), st.tuples(*[st.integers(0, 4).map(float)] * axes), max_size=25
    )
)


@given(_points)
def test_the_front_is_what_nothing_dominates_once_each(points: dict[str, tuple[float, ...]]) -> None:
    kept = front(points)
    undominated = [name for name in points if not any(dominates(other, points[name]) for other in points.values())]
    assert {points[name] for name in kept} == {points[name] for name in undominated}
    assert len({points[name] for name in kept}) == len(kept)
    firsts = {points[name]: name for name in reversed(undominated)}
    assert set(kept) == set(firsts.values())
    assert list(kept) == [name for name in points if name in kept]


def test_nan_is_refused_and_infinity_is_a_number() -> None:
    with pytest.raises(ValueError, match="NaN is no place on a front"):
        front({"a": (1.0, math.nan)})
    assert front({"a": (math.inf, 0.0), "b": (0.0, 1.0), "c": (0.0, 0.0)}) == ("a", "b")
