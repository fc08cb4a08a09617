"""Embeddings from an endpoint: in order, in batches, kept with the items; failures are the machine's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.records import Item
from cognition.vectors import VectorMismatch
from tasks.embedding import Embedder, EmbeddingSettings, embed_missing
from tasks.llm import ModelMisconfigured, ModelServerDown
from tests.scripted_server import Script, ScriptedServer

ITEMS = [Item(f"i{n}", "d", text) for n, text in enumerate(("perturb and restart", "sort the rows", "corners first"))]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ItemStore]:
    with Archive.open(f"sqlite:///{tmp_path / 'archive.db'}") as archive:
        items = ItemStore(archive)
        items.upsert(ITEMS)
        yield items


def embedder(server: ScriptedServer, batch: int = 2) -> Embedder:
    return Embedder(EmbeddingSettings(model="embed", base_url=server.base_url, retries=0, timeout_s=5.0, batch=batch))


def test_items_are_embedded_once_and_found_by_their_vectors(store: ItemStore) -> None:
    with ScriptedServer() as server:
        client = embedder(server)
        assert embed_missing(store, client, "d") == 3
        assert embed_missing(store, client, "d") == 0
        assert [len(body["input"]) for body in server.requests] == [2, 1]
        near = store.recall("d", "", 1, client.embed(["rows to sort"])[0])
    assert [hit.item.id for hit in near] == ["i1"]
    assert store.vector_spaces() == [("d", "embed", 64, 3)]


def test_an_endpoint_that_changes_its_dimension_is_refused(store: ItemStore) -> None:
    with ScriptedServer() as server:
        embed_missing(store, embedder(server), "d")
        server.script = replace(server.script, dimension=32)
        store.upsert([Item("new", "d", "another")])
        with pytest.raises(VectorMismatch, match="32 numbers where those stored under that name have 64"):
            embed_missing(store, embedder(server), "d")
    assert store.vector_spaces() == [("d", "embed", 64, 3)]


@pytest.mark.parametrize(
    ("status", "error"), [(500, ModelServerDown), (429, ModelServerDown), (404, ModelMisconfigured)]
)
def test_what_the_server_refuses_is_our_machines_fault(status: int, error: type[Exception]) -> None:
    with ScriptedServer(Script(status=status)) as server, pytest.raises(error):
        embedder(server).embed(["text"])


def test_a_server_that_is_not_there() -> None:
    settings = EmbeddingSettings(model="m", base_url="http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(ModelServerDown, match="gave no answer"):
        Embedder(settings).embed(["text"])


def test_an_address_with_a_password_is_refused() -> None:
    with pytest.raises(ValueError, match="without user, password"):
        EmbeddingSettings(model="m", base_url="http://me:secret@host/v1")
