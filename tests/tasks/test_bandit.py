"""The bandit over Researcher models: gain per dollar, the same for the same seed, and nobody starves."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cognition.arms import Tried
from tasks.bandit import WARM_UP, choose, worth

ARMS = ("cheap", "dear", "free")
TRIED = st.lists(
    st.builds(Tried, st.sampled_from([*ARMS, "retired"]), st.floats(0, 1e6), st.floats(0, 10)), max_size=60
)


@given(tried=TRIED, index=st.integers(1, 1_000), seed=st.integers(0, 99), exploration=st.floats(0, 5))
def test_it_chooses_an_arm_and_always_the_same(tried: list[Tried], index: int, seed: int, exploration: float) -> None:
    chosen = choose(ARMS, tried, index, seed, exploration)
    assert chosen in ARMS
    assert chosen == choose(ARMS, tried, index, seed, exploration)


def test_rounds_in_flight_at_the_start_take_different_arms() -> None:
    for seed in range(5):
        first = Counter(choose(ARMS, [], index, seed, 0.5) for index in range(1, WARM_UP * len(ARMS) + 1))
        assert first == dict.fromkeys(ARMS, WARM_UP)
    assert len({tuple(choose(ARMS, [], index, seed, 0.5) for index in (1, 2, 3)) for seed in range(20)}) > 1


def test_an_arm_that_was_never_played_comes_first() -> None:
    assert choose(ARMS, [Tried("cheap", 1.0, 0.1), Tried("free", 1.0, 0.0)], 50, 0, 0.5) == "dear"


def test_gain_counts_per_dollar_whatever_the_scale_of_the_fitness() -> None:
    for scale in (1e-6, 1.0, 1e6):
        tried = [Tried("cheap", 1.0 * scale, 0.01), Tried("dear", 3.0 * scale, 0.1), Tried("free", 0.0, 0.0)] * 10
        values = worth(ARMS, tried, 0.0)
        assert values["cheap"] > values["dear"] > values["free"] == 0.0


def played(gains: dict[str, float], costs: dict[str, float], rounds: int, exploration: float) -> Counter[str]:
    rng, tried = random.Random(1), list[Tried]()
    for index in range(1, rounds + 1):
        arm = choose(ARMS, tried[-200:], index, 3, exploration)
        gain = 0.01 if rng.random() < gains[arm] else 0.0
        tried.append(Tried(arm, gain, costs[arm]))
    return Counter(one.model for one in tried)


def test_in_play_the_better_per_dollar_gets_most_rounds_and_the_others_some() -> None:
    costs = {"cheap": 0.02, "dear": 0.1, "free": 0.03}
    shares = played({"cheap": 0.3, "dear": 0.4, "free": 0.05}, costs, 300, 0.5)
    assert shares["cheap"] > 200
    assert min(shares.values()) > WARM_UP
    costs["dear"] = 0.015
    assert played({"cheap": 0.1, "dear": 0.5, "free": 0.05}, costs, 300, 0.5).most_common(1)[0][0] == "dear"


def test_a_free_model_that_gains_nothing_does_not_win_by_its_price() -> None:
    costs = {"cheap": 0.02, "dear": 0.02, "free": 0.0}
    shares = played({"cheap": 0.4, "dear": 0.2, "free": 0.0}, costs, 300, 0.1)
    assert shares["free"] < shares["cheap"]


def test_without_any_price_only_gain_counts() -> None:
    tried = [Tried("cheap", 1.0, 0.0), Tried("dear", 2.0, 0.0), Tried("free", 0.5, 0.0)] * 5
    assert choose(ARMS, tried, 100, 0, 0.0) == "dear"
