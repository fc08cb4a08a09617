"""What is recalled: ranks fused, repetitions left out, uplift counted; vectors never mixed; draws logged once."""

from __future__ import annotations

import random

import numpy as np
import pytest

from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.recall import Rule
from cognition.records import Item, Recall, Score
from cognition.similar import same_meaning
from cognition.uplift import Arm, estimate
from cognition.vectors import Vector, VectorMismatch
from tests.cognition.play import CRASH, opened, played, result

DOMAIN = "circle_packing"


def vector(*values: float, model: str = "m") -> Vector:
    return Vector.of(model, values)


def names(store: ItemStore, query: str, k: int = 5, **more: object) -> list[str]:
    return [hit.item.id for hit in store.recall(DOMAIN, query, k, **more)]  # type: ignore[arg-type]  # by name


@pytest.fixture
def store(archive: Archive) -> ItemStore:
    items = ItemStore(archive)
    items.upsert(
        [
            Item("plateau", DOMAIN, "Perturb the best packing and restart", ("no improvement", "plateau")),
            Item("plateau-2", DOMAIN, "Perturb the best packing and then restart", ("no improvement", "plateau")),
            Item("anneal", DOMAIN, "Anneal the temperature slowly", ("plateau",)),
            Item("other", DOMAIN, "Write tests"),
        ]
    )
    return items


def test_of_two_that_say_the_same_one_is_enough_when_there_is_another(store: ItemStore) -> None:
    assert names(store, "plateau, no improvement", 2) == ["plateau", "anneal"]
    assert names(store, "plateau, no improvement", 2, rule=Rule(diversity=0.0)) == ["plateau", "plateau-2"]


def test_vectors_find_what_no_word_finds_and_both_together_rank_first(store: ItemStore) -> None:
    near = {"other": vector(1, 0, 0), "anneal": vector(0.9, 0.4, 0), "plateau": vector(0, 1, 0)}
    store.store_vectors(DOMAIN, near)
    assert names(store, "words of nobody", vector=vector(1, 0, 0)) == ["other", "anneal"]  # cosine 0 is below 0.4
    assert names(store, "plateau", 1, vector=vector(1, 0, 0)) == ["anneal"]
    assert [item.id for item in store.without_vector(DOMAIN, "m", 10)] == ["plateau-2"]


def test_models_have_spaces_of_their_own_and_a_changed_dimension_is_refused(store: ItemStore) -> None:
    store.store_vectors(DOMAIN, {"other": vector(1, 0)})
    assert names(store, "nothing", vector=vector(1, 0, 0, model="another")) == []
    with pytest.raises(VectorMismatch, match=r"m gave a vector of 3 numbers where those stored .* have 2"):
        store.store_vectors(DOMAIN, {"anneal": vector(1, 0, 0)})
    store.recall(DOMAIN, "plateau", vector=vector(1, 0))
    with pytest.raises(VectorMismatch, match="3 numbers"):
        store.recall(DOMAIN, "plateau", vector=vector(1, 0, 0))
    assert store.vector_spaces() == [(DOMAIN, "m", 2, 1)]


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [float("nan"), 1.0], [[1.0, 2.0]]])
def test_a_vector_without_direction_is_refused(values: object) -> None:
    with pytest.raises(VectorMismatch):
        Vector.of("m", values)


def test_vectors_of_items_that_changed_or_expired_do_not_count(store: ItemStore) -> None:
    store.store_vectors(DOMAIN, {"other": vector(1, 0), "anneal": vector(1, 0)})
    assert names(store, "", vector=vector(1, 0)) == ["anneal", "other"]
    store.upsert([Item("other", DOMAIN, "Write more tests")])
    store.retire(["anneal"], "by hand")
    assert names(store, "", vector=vector(1, 0)) == []
    store.store_vectors(DOMAIN, {"other": vector(1, 0)})
    assert names(store, "", vector=vector(1, 0)) == ["other"]


def test_cosines_are_exact(store: ItemStore) -> None:
    rng = np.random.default_rng(0)
    many = {f"v{n}": rng.normal(size=16) for n in range(300)}
    store.upsert([Item(name, DOMAIN, name) for name in many])
    store.store_vectors(DOMAIN, {name: Vector.of("m", values) for name, values in many.items()})
    query = rng.normal(size=16)
    cosines = {name: v @ query / np.linalg.norm(v) / np.linalg.norm(query) for name, v in many.items()}
    best = sorted(cosines, key=lambda name: -cosines[name])[:5]
    rule = Rule(diversity=0.0, least_cosine=-1.0)
    assert names(store, "", vector=Vector.of("m", query), rule=rule) == best


def test_uplift_moves_an_item_up(archive: Archive, store: ItemStore) -> None:
    played(archive, 0, 1.0)
    rng = random.Random(0)
    for index in range(1, 41):
        shown = rng.random() > 0.5
        claim = opened(archive, index, "packing-0000")
        recall = Recall("plateau-2", 1, shown, 0.5)
        archive.record(result(claim, Score(2.0) if shown else CRASH, recalls=(recall,)))
    uplift = store.kept("plateau-2").uplift
    assert uplift is not None
    assert uplift.raw == pytest.approx(1.0)
    assert 0.2 < uplift.shrunk < 0.6
    assert names(store, "plateau, no improvement", 1) == ["plateau-2"]


def test_a_rerun_replaces_the_draws_it_logged(archive: Archive, store: ItemStore) -> None:
    played(archive, 0, 1.0)
    for outcome in (Score(2.0), Score(0.5)):
        for index, shown in ((1, True), (2, False)):
            claim = opened(archive, index, "packing-0000")
            archive.record(result(claim, outcome if shown else CRASH, recalls=(Recall("anneal", 1, shown, 0.25),)))
        uplift = store.kept("anneal").uplift
        assert uplift is not None
        assert (uplift.shown, uplift.left_out) == (1, 1)
        assert uplift.raw == pytest.approx(1.0 if outcome.fitness > 1 else 0.0)
        for name in ("packing-0001", "packing-0002"):
            archive.reopen_round(name, "retrieve")


def test_without_a_scored_parent_or_a_draw_nothing_is_learned(archive: Archive, store: ItemStore) -> None:
    archive.record(result(opened(archive, 1), Score(1.0), recalls=(Recall("anneal", 1, True, 0.5),)))
    claim = opened(archive, 2, "packing-0001")
    archive.record(result(claim, Score(2.0), recalls=(Recall("anneal", 1, True, 0.0),)))
    assert store.kept("anneal").uplift is None


def test_inverse_propensity_weighting_is_unbiased_when_the_probability_changes() -> None:
    """A true uplift of 0.2; half of the rounds leave out with 0.1, half with 0.5, at different base rates."""
    rng, sums = random.Random(1), {True: [0, 0.0, 0.0, 0.0], False: [0, 0.0, 0.0, 0.0]}
    for number in range(40_000):
        leave_out, base = (0.1, 0.5) if number % 2 else (0.5, 0.1)
        shown = rng.random() >= leave_out
        better = rng.random() < base + 0.2 * shown
        weight = 1.0 / (1.0 - leave_out if shown else leave_out)
        for place, more in enumerate((1, weight, weight**2, weight * better)):
            sums[shown][place] += more
    found = estimate(*(Arm(int(s[0]), *s[1:]) for s in (sums[True], sums[False])))
    assert found is not None
    assert found.raw == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Use 8 heads", "Use 16 heads", False),
        ("Do restart after a plateau", "Do not restart after a plateau", False),
        ("In slot local, slsqp instead of adam helps", "In slot local, adam instead of slsqp helps", False),
        ("Restart from a perturbed optimum when it stalls.", "restart from a perturbed optimum, when it stalls", True),
        ("Corners first", "Sort the rows by size", False),
    ],
)
def test_what_says_the_same(one: str, other: str, same: bool) -> None:
    assert same_meaning(one, other) is same


def test_an_item_that_says_what_is_there_is_not_added(store: ItemStore) -> None:
    twin = Item("twin", DOMAIN, "Anneal the temperature slowly.")
    added = store.add_unless_known([twin, Item("new", DOMAIN, "Sort the rows")], state="quarantined", reason="why")
    assert (added.new, added.twins) == (("new",), {"twin": "anneal"})
    assert (store.kept("new").state, store.kept("new").reason) == ("quarantined", "why")
    assert names(store, "sort the rows") == []
