"""Vectors searched by PostgreSQL itself: the same answers as in memory, kept up whoever writes, without fuss."""

from __future__ import annotations

from collections.abc import Iterator
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
from tests.postgres import PostgresServer

pytestmark = pytest.mark.postgres

ANY = Rule(diversity=0.0, least_cosine=-1.0)
_numbers = count(1)


@pytest.fixture
def database(pgvector: PostgresServer) -> tuple[PostgresServer, str]:
    """A server, and the name of a new database with the extension."""
    name = f"near_{next(_numbers)}"
    pgvector.create(name)
    pgvector.execute("CREATE EXTENSION vector", name)
    return pgvector, name


@pytest.fixture
def store(database: tuple[PostgresServer, str]) -> Iterator[ItemStore]:
    server, name = database
    with Archive.open(server.url(name)) as archive:
        yield ItemStore(archive)


def fill(store: ItemStore, count: int, dimension: int = 16, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    store.upsert([Item(f"v{seed}-{n}", "d", f"item {n} of {seed}") for n in range(count)])
    drawn = {f"v{seed}-{n}": Vector.of("m", rng.normal(size=dimension)) for n in range(count)}
    store.store_vectors("d", drawn)


def names(store: ItemStore, vector: Vector, rule: Rule = ANY, k: int = 5) -> list[str]:
    return [hit.item.id for hit in store.recall("d", "", k, vector, rule)]


def in_memory(store: ItemStore, vector: Vector, monkeypatch: pytest.MonkeyPatch, rule: Rule = ANY) -> list[str]:
    with monkeypatch.context() as patch:
        patch.setattr(module, "nearest", lambda *_: None)
        return names(ItemStore(_Has(store)), vector, rule)


class _Has:
    def __init__(self, store: ItemStore) -> None:
        self.database = store.database


def copied(store: ItemStore) -> int:
    with store.database.read() as tx:
        return int(tx.exec_driver_sql("SELECT count(*) FROM item_vectors_near").scalar_one())


def queries(count: int, dimension: int = 16) -> list[Vector]:
    rng = np.random.default_rng(99)
    return [Vector.of("m", rng.normal(size=dimension)) for _ in range(count)]


def test_it_finds_what_memory_finds_in_the_same_order(store: ItemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, 300)
    for query in queries(10):
        assert names(store, query) == in_memory(store, query, monkeypatch)
        near = replace(ANY, least_cosine=0.4)
        assert names(store, query, near) == in_memory(store, query, monkeypatch, near)
    assert store._spaces is None  # no copy was loaded into this process
    assert copied(store) == 300


def test_what_is_new_changed_or_gone_is_seen_by_every_process(store: ItemStore) -> None:
    fill(store, 3)
    query = queries(1)[0]
    other = ItemStore(_Has(store))
    assert len(names(store, query)) == len(names(other, query)) == 3
    store.upsert([Item("v0-0", "d", "changed")])
    store.retire(["v0-1"], "by hand")
    assert names(other, query) == ["v0-2"]
    store.store_vectors("d", {"v0-0": query})
    assert names(other, query) == ["v0-0", "v0-2"]
    store.drop_vectors()
    assert names(other, query) == []
    assert copied(store) == 0


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


def test_a_changed_dimension_is_refused_as_in_memory(store: ItemStore) -> None:
    fill(store, 2)
    names(store, queries(1)[0])
    with pytest.raises(VectorMismatch, match="3 numbers where those stored under that name have 16"):
        names(store, Vector.of("m", [1.0, 0.0, 0.0]))
    assert names(store, Vector.of("another", [1.0, 0.0, 0.0])) == []


def test_more_dimensions_than_the_extension_takes_are_searched_in_memory(store: ItemStore) -> None:
    fill(store, 3, dimension=module.MAX_DIMENSION + 1)
    assert len(names(store, queries(1, module.MAX_DIMENSION + 1)[0])) == 3
    assert copied(store) == 0
