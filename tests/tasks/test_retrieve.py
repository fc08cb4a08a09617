"""The draws that leave items out: the same for the same round, and as frequent as they say."""

from __future__ import annotations

from cognition.recall import Recalled
from cognition.records import Item
from tasks.engine import STEPS, Round
from tasks.retrieve import draws

FOUND = [Recalled(Item(f"i{n}", "d", f"insight {n}"), 3, 1.0) for n in range(5)]


def round_of(index: int, revision: int = 1) -> Round:
    return Round("c", index, 1, f"c-{index}", None, (), 0, "none", None, dict.fromkeys(STEPS, revision))


def test_a_retry_draws_the_same_and_a_rerun_anew() -> None:
    first = [draws(FOUND, 0.5, 7, round_of(index)) for index in range(20)]
    assert first == [draws(FOUND, 0.5, 7, round_of(index)) for index in range(20)]
    assert first != [draws(FOUND, 0.5, 7, round_of(index, revision=2)) for index in range(20)]
    assert all(recall.version == 3 and recall.leave_out == 0.5 for drawn in first for recall in drawn)


def test_items_are_left_out_as_often_as_said() -> None:
    hidden = sum(not recall.shown for index in range(1_000) for recall in draws(FOUND, 0.1, 7, round_of(index)))
    assert 430 < hidden < 570  # 500 expected, standard deviation 21


def test_without_a_probability_everything_is_shown() -> None:
    assert all(recall.shown for index in range(100) for recall in draws(FOUND, 0.0, 7, round_of(index)))
