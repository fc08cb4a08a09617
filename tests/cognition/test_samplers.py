"""Samplers: what every one keeps, and what each is for."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cognition.archive import Archive
from cognition.randomness import derive
from cognition.records import Grid, Sample
from cognition.samplers import Arm, MapElitesSettings, Sampler, SamplerSettings, TopKSettings, make_sampler
from cognition.samplers.ucb1 import relative_ranks, ucb1_scores
from cognition.view import ArchiveView
from tests.cognition.play import NAME, evolve

KINDS = ("ucb1", "greedy", "random", "map_elites", "top_k", "baseline")


def sampler(kind: str, **more: object) -> Sampler:
    return make_sampler(SamplerSettings.model_validate({"kind": kind, **more}))


@dataclass(frozen=True)
class FakeView:
    """A view over lists."""

    arms: tuple[Arm, ...] = ()
    counted: Mapping[str, int] = field(default_factory=dict)
    cells: Mapping[int, tuple[Arm, ...]] = field(default_factory=dict)
    sequence: int = 17

    def pool(self, limit: int) -> list[Arm]:
        return sorted(self.arms, key=lambda arm: -arm.fitness)[:limit]

    def visits(self, candidates: Sequence[str]) -> dict[str, int]:
        return {candidate: self.counted.get(candidate, 0) for candidate in candidates}

    def elites(self, island: int, limit: int) -> list[Arm]:
        return sorted(self.cells.get(island, ()), key=lambda arm: -arm.fitness)[:limit]

    def baseline(self) -> Arm | None:
        return next((arm for arm in self.arms if arm.candidate == "c0"), None)


def arms_of(*fitness: float) -> tuple[Arm, ...]:
    return tuple(Arm(f"c{number}", value) for number, value in enumerate(fitness))


fitnesses = st.floats(-1e9, 1e9)


@st.composite
def views(draw: st.DrawFn) -> FakeView:
    arms = arms_of(*draw(st.lists(fitnesses, max_size=90)))
    visits = {arm.candidate: draw(st.integers(0, 1000)) for arm in arms}
    cells = {island: tuple(draw(st.lists(st.sampled_from(arms), unique=True, max_size=9))) for island in range(5)} if (
        arms
    ) else {}  # fmt: skip
    return FakeView(arms, visits, cells)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(view=views(), index=st.integers(1, 10_000), seed=st.integers(0, 2**31), sampled=st.integers(1, 8))
def test_every_sample_is_valid_and_repeatable(kind: str, view: FakeView, index: int, seed: int, sampled: int) -> None:
    chosen = sampler(kind, sampled=sampled).sample(view, index, random.Random(seed))
    assert chosen == sampler(kind, sampled=sampled).sample(view, index, random.Random(seed))
    assert (chosen.sequence, chosen.sampler) == (17, kind)
    known = {arm.candidate for arm in view.arms}
    if not known:
        assert (chosen.parent, chosen.references) == (None, ())
        return
    nodes = (chosen.parent, *chosen.references)
    assert set(nodes) <= known
    assert len(set(nodes)) == len(nodes) <= sampled
    if kind not in ("map_elites", "baseline"):
        assert len(nodes) == min(sampled, len(known), 70)


def test_the_paper_s_numbers_are_the_defaults() -> None:
    settings = SamplerSettings()
    assert (settings.kind, settings.population, settings.sampled, settings.ucb1.c) == ("ucb1", 70, 3, 1.414)
    islands = settings.map_elites
    assert (islands.grid, islands.exploration, islands.exploitation) == (Grid(5, 10, 10, 0.1), 0.2, 0.6)
    assert settings.top_k == TopKSettings(parents=10, references=50)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "best"},
        {"populaton": 70},
        {"ucb1": {"C": 1}},
        {"map_elites": {"exploration": 0.5, "exploitation": 0.6}},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SamplerSettings.model_validate(wrong)


def test_greedy_takes_the_best() -> None:
    view = FakeView(arms_of(1.0, 3.0, 2.0, 0.0))
    assert sampler("greedy").sample(view, 1, random.Random(0)) == Sample("c1", ("c2", "c0"), 17, "greedy")


def test_the_control_starts_from_the_baseline_and_sees_nothing_else() -> None:
    view = FakeView(arms_of(1.0, 3.0, 2.0, 0.0))
    baseline = view.baseline()
    assert baseline is not None
    expected = Sample(baseline.candidate, (), 17, "baseline")
    assert {sampler("baseline").sample(view, index, random.Random(index)) for index in range(20)} == {expected}


def draws(kind: str, view: FakeView, count: int = 3000, **more: object) -> list[Sample]:
    chosen = sampler(kind, **more)
    return [chosen.sample(view, index, random.Random(index)) for index in range(1, count + 1)]


def test_random_is_uniform_over_the_population_only() -> None:
    view = FakeView(arms_of(*range(100)))
    parents = Counter(sample.parent for sample in draws("random", view, 7000))
    assert set(parents) == {f"c{number}" for number in range(30, 100)}
    assert all(50 < count < 150 for count in parents.values())


def test_top_k_takes_the_parent_from_10_and_the_references_from_50() -> None:
    samples = draws("top_k", FakeView(arms_of(*range(100))))
    assert {sample.parent for sample in samples} == {f"c{number}" for number in range(90, 100)}
    references = {reference for sample in samples for reference in sample.references}
    assert references == {f"c{number}" for number in range(50, 100)}


# UCB1

Scores = Callable[[Sequence[Arm], Mapping[str, int], float], dict[str, float]]


def literal_ucb1(arms: Sequence[Arm], visits: Mapping[str, int], c: float) -> dict[str, float]:
    """The textbook's formula on raw fitness, as found in the published code."""
    tries = {arm.candidate: 1 + visits[arm.candidate] for arm in arms}
    clock = math.log(sum(tries.values()))
    return {arm.candidate: arm.fitness + c * math.sqrt(clock / tries[arm.candidate]) for arm in arms}


@dataclass
class Simulated:
    """A campaign in which each round adds one arm whose fitness does not depend on its parent's."""

    visits: Counter[str]
    in_best_quarter: float  # share of the visits


def simulate(scores: Scores, seed: int, rounds: int = 200) -> Simulated:
    rng = random.Random(seed)
    arms, visits, best_quarter = [Arm("c0", 2.3)], Counter({"c0": 0}), 0
    for index in range(1, rounds + 1):
        pool = sorted(arms, key=lambda arm: -arm.fitness)[:70]
        values = scores(pool, visits, 1.414)
        parent = max((arm.candidate for arm in pool), key=values.__getitem__)
        best_quarter += parent in {arm.candidate for arm in pool[: max(1, len(pool) // 4)]}
        visits[parent] += 1
        arms.append(Arm(f"c{index}", 2.0 + 0.6 * rng.random()))
        visits[f"c{index}"] = 0
    return Simulated(visits, best_quarter / rounds)


@pytest.mark.parametrize("seed", range(5))
def test_with_one_new_arm_per_round_visits_concentrate_on_the_best(seed: int) -> None:
    ours, literal = simulate(ucb1_scores, seed), simulate(literal_ucb1, seed)
    assert ours.in_best_quarter > 0.5
    assert literal.in_best_quarter < 0.4  # what is to be avoided: nearly uniform
    assert max(ours.visits.values()) >= 2 * max(literal.visits.values())


@pytest.mark.parametrize("seed", range(5))
def test_a_tiny_spread_of_scores_counts_as_much_as_a_large_one(seed: int) -> None:
    def squeezed(arms: Sequence[Arm], visits: Mapping[str, int], c: float) -> dict[str, float]:
        return ucb1_scores([Arm(arm.candidate, arm.fitness * 1e-7 + 2.63) for arm in arms], visits, c)

    assert simulate(squeezed, seed).visits == simulate(ucb1_scores, seed).visits


def test_ucb1_leaves_its_first_branch() -> None:
    """The published UCB1 never gets past trying each new arm once. Here, soon, most rounds revisit an arm."""
    visits = simulate(ucb1_scores, 0).visits
    again = sum(count - 1 for count in visits.values() if count > 1)
    assert again > 100  # of 200 rounds


def test_ucb1_tries_the_neglected_in_the_end() -> None:
    arms, visits = arms_of(3.0, 2.0, 1.0), Counter[str]()
    for _ in range(300):
        values = ucb1_scores(arms, {arm.candidate: visits[arm.candidate] for arm in arms}, 1.414)
        visits[max(values, key=values.__getitem__)] += 1
    assert visits["c0"] > visits["c1"] > visits["c2"] > 0


def test_ucb1_starts_with_the_best_and_an_unlucky_parent_gives_way() -> None:
    arms = arms_of(1.0, 3.0, 2.0)
    assert sampler("ucb1").sample(FakeView(arms), 1, random.Random(0)).parent == "c1"
    tried = FakeView(arms, {"c1": 9})
    assert sampler("ucb1").sample(tried, 1, random.Random(0)) == Sample("c2", ("c0", "c1"), 17, "ucb1")


def test_ucb1_sees_the_population_only() -> None:
    view = FakeView(arms_of(*range(100)), {f"c{number}": 1000 for number in range(30, 100)})
    assert sampler("ucb1").sample(view, 1, random.Random(0)).parent == "c99"


@given(st.lists(fitnesses, min_size=1, max_size=50).map(lambda values: sorted(values, reverse=True)))
def test_ranks_are_in_order_and_within_bounds(values: list[float]) -> None:
    ranks = relative_ranks(values)
    assert ranks[0] == 1.0
    assert all(0.0 <= rank <= 1.0 for rank in ranks)
    assert ranks == sorted(ranks, reverse=True)
    assert [a == b for a, b in pairwise(values)] == [a == b for a, b in pairwise(ranks)]


# MAP-Elites

TEN_CELLS = tuple(Arm(f"e{number}", float(number)) for number in range(10))
ISLAND = FakeView(arms_of(*range(20)), cells={1: TEN_CELLS, 2: (Arm("e9", 9.0),)})


def test_islands_take_turns_and_an_empty_one_starts_from_the_baseline() -> None:
    chosen = sampler("map_elites")
    samples = [chosen.sample(ISLAND, index, random.Random(index)) for index in range(5, 10)]
    assert [sample.island for sample in samples] == [0, 1, 2, 3, 4]
    assert {samples[number].parent for number in (0, 3, 4)} == {"c0"}
    assert all(sample.grid == MapElitesSettings().grid for sample in samples)


def test_exploitation_exploration_and_rank_in_the_paper_s_shares() -> None:
    parents = Counter(sampler("map_elites").sample(ISLAND, 1, random.Random(seed)).parent for seed in range(10_000))
    by_rank = {f"e{number}": 0.2 / 10 + 0.2 * (number + 1) / 55 for number in range(10)}
    expected = by_rank | {"e9": by_rank["e9"] + 0.6}
    for candidate, share in expected.items():
        assert parents[candidate] / 10_000 == pytest.approx(share, abs=0.015)


def test_references_come_from_other_cells_and_are_filled_up_with_the_best() -> None:
    sample = sampler("map_elites").sample(ISLAND, 1, random.Random(3))
    assert {reference[0] for reference in sample.references} == {"e"}
    lonely = sampler("map_elites").sample(ISLAND, 2, random.Random(3))
    assert (lonely.parent, lonely.references) == ("e9", ("c19", "c18"))


# Over a real archive


@pytest.mark.parametrize("kind", KINDS)
def test_samples_of_an_archive_are_scored_and_older_than_the_round(archive: Archive, kind: str) -> None:
    samples = evolve(archive, sampler(kind), range(40))
    assert [sample.sequence for sample in samples] == list(range(40))
    for index, sample in enumerate(samples[1:], start=1):
        assert sample.parent is not None
        nodes = (sample.parent, *sample.references)
        found = [archive.candidate(node) for node in nodes]
        assert all(node.seq <= sample.sequence and node.fitness is not None for node in found)
        assert archive.candidate(f"{NAME}-{index:04d}").parents == nodes


@pytest.mark.parametrize("kind", KINDS)
def test_sampling_never_writes_and_a_replay_makes_the_same_choice(archive: Archive, kind: str) -> None:
    samples = evolve(archive, sampler(kind), range(25))
    evolve(archive, sampler(kind), range(25, 35))
    with archive.database.read() as tx:
        if tx.dialect.name == "sqlite":  # PostgreSQL's reading transactions refuse to write anyway
            tx.exec_driver_sql("PRAGMA query_only = ON")
        for index in range(1, 25):
            then = ArchiveView(tx, NAME, samples[index].sequence, opened=index)
            assert sampler(kind).sample(then, index, derive(0, index)) == samples[index]
        if tx.dialect.name == "sqlite":
            tx.exec_driver_sql("PRAGMA query_only = OFF")
