"""Races: who goes on, who is dropped, what is final; and the rates of both errors, in small."""

from __future__ import annotations

import doctest
import importlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import false_winners
from tasks.trust import Rules, Verdict, judged, judged_on_all, wanted

RULES = Rules()


@pytest.mark.parametrize("module", ["gains", "evidence", "spending", "race"])
def test_examples_in_the_docs_hold(module: str) -> None:
    found = doctest.testmod(importlib.import_module(f"tasks.trust.{module}"))
    assert found.attempted > 0
    assert found.failed == 0


def test_a_race_gives_everyone_a_start_and_ends() -> None:
    assert wanted({"a": [], "b": [1.0]}, {"a": 1, "b": 2}, RULES) == {"a": 4, "b": 3}
    assert wanted({}, {}, RULES) == {}


def test_a_clear_winner_and_a_clear_loser_cost_little_and_close_ones_go_on() -> None:
    rng = np.random.default_rng(0)
    gains = {
        "winner": rng.normal(5.0, 1.0, 20),
        "loser": rng.normal(-5.0, 1.0, 20),
        "close": np.array([1.2, -0.6, 1.4, -0.4] * 5),
    }
    numbers = {"close": 1, "winner": 2, "loser": 3}
    used = false_winners.race(gains, numbers, RULES)
    verdicts = {name: judged(used[name], numbers[name], RULES).verdict for name in used}
    assert verdicts == {"winner": Verdict.PROMOTED, "loser": Verdict.DEMOTED, "close": Verdict.NOT_PROMOTED}
    assert len(used["winner"]) < 10
    assert len(used["loser"]) == RULES.first
    assert len(used["close"]) == RULES.cap


def test_a_promotion_is_final() -> None:
    winning = [1.0, 1.1, 0.9, 1.0, 1.1, 0.9]
    won = judged(winning, 1, RULES)
    later = judged([*winning, -50.0, -60.0], 1, RULES)
    assert won.verdict is later.verdict is Verdict.PROMOTED
    assert later == won


def test_a_later_finalist_needs_more() -> None:
    gains = [1.0, 1.6, 0.4, 1.2, 0.8, 1.5]
    assert judged(gains, 1, RULES).verdict is Verdict.PROMOTED
    assert judged(gains, 50, RULES).verdict is not Verdict.PROMOTED


def test_the_gate_is_what_has_to_be_exceeded() -> None:
    gains = [1.0, 1.1, 0.9, 1.0, 1.1, 0.9]
    assert judged(gains, 1, Rules(gate=0.5)).verdict is Verdict.PROMOTED
    assert judged(gains, 1, Rules(gate=1.2)).verdict is Verdict.DEMOTED


def test_equal_scores_on_all_seeds_are_demoted_at_once() -> None:
    found = judged([0.0] * 4, 1, RULES)
    assert (found.verdict, found.has_spread) == (Verdict.DEMOTED, False)


@given(st.lists(st.floats(-100, 100), min_size=4, max_size=24), st.integers(1, 30))
@settings(deadline=None, max_examples=80)
def test_what_is_promoted_clears_the_gate_and_the_order_of_questions_does_not_matter(
    gains: list[float], number: int
) -> None:
    found = judged(gains, number, RULES)
    if found.verdict is Verdict.PROMOTED:
        assert found.gains.mean > 0.0
        assert found.bounds.lower >= -1e-9
    prefixes = [judged(gains[:n], number, RULES).verdict for n in range(4, len(gains) + 1)]
    for earlier, now in itertools.pairwise(prefixes):
        assert earlier is not Verdict.PROMOTED or now is Verdict.PROMOTED


def test_noise_is_crowned_by_naive_rules_and_not_by_these() -> None:
    """The benchmark in small; docs/trust.md has 1,000 campaigns."""
    rng = np.random.default_rng(3)
    done = [false_winners.campaign(rng, false_winners.SHAPES["normal"], 1, RULES) for _ in range(40)]
    assert sum(tally.promoted for tally in done) <= 5  # P(more) < 1% at a rate of 5%
    assert sum(tally.by_mean for tally in done) >= 34
    assert sum(tally.at_every_look for tally in done) >= 14


def test_a_real_gain_of_two_sd_is_found() -> None:
    rng = np.random.default_rng(4)
    hits = [false_winners.found(rng, false_winners.SHAPES["normal"], 2.0, 5, RULES)[0] for _ in range(60)]
    assert sum(hits) >= 48


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        Rules(alpha=1.0)
    with pytest.raises(ValueError, match="first"):
        Rules(first=1)


SURE = [1.0, 1.1, 0.9, 1.0, 1.1, 0.9]


@pytest.mark.parametrize(
    ("part", "verdict"),
    [
        (SURE, Verdict.PROMOTED),
        ([0.3, 0.1, -0.1, 0.4, 0.2, -0.05], Verdict.OPEN),  # more seeds may show it
        ([-1.0, -1.1, -0.9, -1.0, -1.1, -0.9], Verdict.NOT_PROMOTED),  # none will
        ([0.0] * 6, Verdict.NOT_PROMOTED),
    ],
)
def test_every_part_has_to_gain(part: list[float], verdict: Verdict) -> None:
    found, held = judged_on_all(SURE, {"loss": SURE, "tasks": part}, 1, RULES)
    assert found.verdict is verdict
    assert held == (() if verdict is Verdict.PROMOTED else ("tasks",))
    more = wanted({"a": SURE}, {"a": 1}, RULES, {"a": {"tasks": part}})
    assert more == ({"a": RULES.step} if verdict is Verdict.OPEN else {})


def test_parts_never_save_who_has_no_gain_on_the_whole() -> None:
    found, held = judged_on_all([-each for each in SURE], {"tasks": SURE}, 1, RULES)
    assert (found.verdict, held) == (Verdict.DEMOTED, ())


def test_at_the_cap_nothing_stays_open() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        gains, part = rng.normal(1.0, 0.5, 20).tolist(), rng.normal(0.1, 1.0, 20).tolist()
        found, _ = judged_on_all(gains, {"tasks": part}, 1, RULES)
        assert found.verdict is not Verdict.OPEN


def test_two_tests_promote_no_more_often_than_one_when_a_part_has_no_gain() -> None:
    rng = np.random.default_rng(2)
    promoted = sum(
        judged_on_all(rng.normal(1.0, 0.5, 8).tolist(), {"tasks": rng.normal(0.0, 1.0, 8).tolist()}, 1, RULES)[
            0
        ].verdict
        is Verdict.PROMOTED
        for _ in range(400)
    )
    assert promoted <= 400 * RULES.alpha
