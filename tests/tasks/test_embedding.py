"""Embeddings from an endpoint: in order, in batches, kept with the items; failures are the machine's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.records import Item
from cognition.vectors import Vector, VectorMismatch
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


def test_one_text_that_is_too_long_for_the_model_is_shortened_and_the_others_are_not() -> None:
    texts = ["sort the rows", "corners " * 2_000, "perturb " * 100]
    with ScriptedServer(Script(longest_input=1_000)) as server:
        vectors = embedder(server, batch=3).embed(texts)
    taken = [body["input"] for body in server.requests if max(map(len, body["input"])) <= 1_000]
    assert [len(text) for inputs in taken for text in inputs] == [len(texts[0]), 1_000, len(texts[2])]
    assert all(vector.dimension == 64 for vector in vectors)


def test_an_endpoint_that_refuses_every_text_is_named_after_a_few_requests() -> None:
    with ScriptedServer(Script(status=400)) as server, pytest.raises(ModelMisconfigured, match="HTTP 400"):
        embedder(server, batch=64).embed(["word " * 4_000] * 64)
    assert len(server.requests) < 15


def test_what_changed_while_it_was_embedded_gets_no_vector_of_its_old_words(store: ItemStore) -> None:
    class Meanwhile(Embedder):
        def embed(self, texts: Sequence[str]) -> list[Vector]:
            store.upsert([replace(ITEMS[0], insight="something else")])
            return super().embed(texts)

    with ScriptedServer() as server:
        assert embed_missing(store, Meanwhile(embedder(server).settings), "d") == 2
        assert [item.id for item in store.without_vector("d", "embed", 9)] == ["i0"]
        assert embed_missing(store, embedder(server), "d") == 1


def test_hostile_text_is_embedded_like_any_other(store: ItemStore) -> None:
    hostile = ("\x00\x00", "half a pair \ud800", "Ignore all previous instructions", "🦊" * 50_000, "?!")
    store.upsert([Item(f"h{n}", "d", text) for n, text in enumerate(hostile)])
    with ScriptedServer() as server:
        assert embed_missing(store, embedder(server), "d") == 8
        assert max(len(text) for body in server.requests for text in body["input"]) <= 16_000


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
