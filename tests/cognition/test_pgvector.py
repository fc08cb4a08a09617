"""Vectors searched by PostgreSQL itself: the same answers as in memory, kept up whoever writes, without fuss."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from cognition import pgvector as module
from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.recall import Rule
from cognition.records import Item
from cognition.vectors import Vector, VectorMismatch
from tests.cognition.play import add_campaign
from tests.cognition.test_processes import start

# What is said of vectors anywhere holds here too.
from tests.cognition.test_recall import (  # noqa: F401  # pytest finds them by these names
    store,
    test_cosines_are_exact,
    test_models_have_spaces_of_their_own_and_a_changed_dimension_is_refused,
    test_vectors_find_what_no_word_finds_and_both_together_rank_first,
    test_vectors_of_items_that_changed_or_expired_do_not_count,
)
from tests.postgres import PostgresServer

ANY = Rule(diversity=0.0, least_cosine=-1.0)
_numbers = count(1)


@pytest.fixture
def archive_url(pgvector: PostgresServer) -> str:
    """A new archive on PostgreSQL with the extension."""
    name = f"near_{next(_numbers)}"
    url = pgvector.create(name)
    pgvector.execute("CREATE EXTENSION vector", name)
    with Archive.open(url) as archive:
        add_campaign(archive)
    return url


@pytest.fixture
def base(archive: Archive) -> ItemStore:
    """Empty."""
    return ItemStore(archive)


def fill(items: ItemStore, count: int, dimension: int = 16, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    items.upsert([Item(f"v{seed}-{n}", "d", f"item {n} of {seed}") for n in range(count)])
    drawn = {f"v{seed}-{n}": Vector.of("m", rng.normal(size=dimension)) for n in range(count)}
    items.store_vectors("d", drawn)


def names(items: ItemStore, vector: Vector, rule: Rule = ANY, k: int = 5) -> list[str]:
    return [hit.item.id for hit in items.recall("d", "", k, vector, rule)]


def in_memory(items: ItemStore, vector: Vector, monkeypatch: pytest.MonkeyPatch, rule: Rule = ANY) -> list[str]:
    with monkeypatch.context() as patch:
        patch.setattr(module, "nearest", lambda *_: None)
        return names(ItemStore(_Has(items)), vector, rule)


class _Has:
    def __init__(self, items: ItemStore) -> None:
        self.database = items.database


def copied(items: ItemStore) -> int:
    with items.database.read() as tx:
        return int(tx.exec_driver_sql("SELECT count(*) FROM item_vectors_near").scalar_one())


def queries(count: int, dimension: int = 16) -> list[Vector]:
    rng = np.random.default_rng(99)
    return [Vector.of("m", rng.normal(size=dimension)) for _ in range(count)]


def test_it_finds_what_memory_finds_in_the_same_order(base: ItemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(base, 300)
    for query in queries(10):
        assert names(base, query) == in_memory(base, query, monkeypatch)
        near = replace(ANY, least_cosine=0.4)
        assert names(base, query, near) == in_memory(base, query, monkeypatch, near)
    assert base._spaces is None  # no copy was loaded into this process
    assert copied(base) == 300


@pytest.mark.postgres
def test_what_is_new_changed_or_gone_is_seen_by_every_process(base: ItemStore) -> None:
    fill(base, 3)
    query = queries(1)[0]
    other = ItemStore(_Has(base))
    assert len(names(base, query)) == len(names(other, query)) == 3
    base.upsert([Item("v0-0", "d", "changed")])
    base.retire(["v0-1"], "by hand")
    assert names(other, query) == ["v0-2"]
    base.store_vectors("d", {"v0-0": query})
    assert names(other, query) == ["v0-0", "v0-2"]
    base.drop_vectors()
    assert names(other, query) == []
    assert copied(base) == 0


@pytest.mark.postgres
def test_vectors_from_before_the_extension_are_copied_in_batches(
    pgvector: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 7)
    url = pgvector.create("later")
    with Archive.open(url) as archive:
        store = ItemStore(archive)
        fill(store, 20)
        before = [names(store, query) for query in queries(3)]
        pgvector.execute("CREATE EXTENSION vector", "later")
        assert [names(store, query) for query in queries(3)] == before
        assert copied(store) == 20
        pgvector.execute("DROP EXTENSION vector CASCADE", "later")
        assert [names(store, query) for query in queries(3)] == before
        pgvector.execute("CREATE EXTENSION vector", "later")
        assert [names(ItemStore(archive), query) for query in queries(3)] == before
        assert copied(store) == 20


@pytest.mark.postgres
def test_a_changed_dimension_is_refused_as_in_memory(base: ItemStore) -> None:
    fill(base, 2)
    names(base, queries(1)[0])
    with pytest.raises(VectorMismatch, match="3 numbers where those stored under that name have 16"):
        names(base, Vector.of("m", [1.0, 0.0, 0.0]))
    assert names(base, Vector.of("another", [1.0, 0.0, 0.0])) == []


@pytest.mark.postgres
def test_more_dimensions_than_the_extension_takes_are_searched_in_memory(base: ItemStore) -> None:
    fill(base, 3, dimension=module.MAX_DIMENSION + 1)
    assert len(names(base, queries(1, module.MAX_DIMENSION + 1)[0])) == 3
    assert copied(base) == 0


@pytest.mark.postgres
def test_two_processes_write_search_and_keep_the_copy_up(archive_url: str, base: ItemStore) -> None:
    workers = [start("embedder", archive_url, name) for name in ("a", "b")]
    assert [worker.communicate(timeout=60)[1] for worker in workers] == ["", ""]
    assert len(base.recall("d", "", 50, Vector.of("m", [1.0, 0.0]))) == 50
    assert base.without_vector("d", "m", 9) == []
    assert copied(base) == 60
