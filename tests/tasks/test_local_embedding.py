"""Embeddings from files of word vectors, tiny ones made here; what cannot be read is refused in one line."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.records import Item
from cognition.vectors import Vector, VectorMismatch
from tasks.embedding import Embedder, EmbeddingSettings, embed_missing
from tasks.llm import ModelMisconfigured

WORDS = {
    "the": (1, 1, 1),
    "of": (1, 1, 0),
    "a": (0, 1, 1),
    "row": (1, 0, 0),
    "rows": (0.9, 0.1, 0),
    "sort": (0.8, 0, 0.2),
    "corner": (0, 1, 0),
}
ITEMS = [Item("sort", "d", "the sort of rows"), Item("corner", "d", "the corner"), Item("odd", "d", "zzyzx 🦊 qwrk")]


def local(path: Path, model: str = "") -> Embedder:
    return Embedder(EmbeddingSettings(path=str(path), model=model))


def cosine(one: Vector, other: Vector) -> float:
    return float(one.values_D @ other.values_D)


def words_file(path: Path, header: bool = False) -> Path:
    lines = [f"{len(WORDS)} 3"] if header else []
    text = "\n".join(lines + [f"{word} {' '.join(map(str, vector))}" for word, vector in WORDS.items()]) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    else:
        path.write_text(text)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ItemStore]:
    with Archive.open(f"sqlite:///{tmp_path / 'archive.db'}") as archive:
        items = ItemStore(archive)
        items.upsert(ITEMS)
        yield items


def test_items_are_found_by_word_vectors(tmp_path: Path, store: ItemStore) -> None:
    embedder = local(words_file(tmp_path / "words.txt"))
    assert embed_missing(store, embedder, "d") == 3
    assert store.vector_spaces() == [("d", embedder.space, 3, 3)]
    assert embedder.space.startswith("words.txt@")
    assert [hit.item.id for hit in store.recall("d", "", 1, embedder.embed(["a row"])[0])] == ["sort"]
    assert [hit.item.id for hit in store.recall("d", "", 1, embedder.embed(["qwrk zzyzx"])[0])] == ["odd"]


@pytest.mark.parametrize(("name", "header"), [("glove.txt", False), ("word2vec.txt", True), ("words.vec.gz", True)])
def test_each_format_gives_the_same_vectors(tmp_path: Path, name: str, header: bool) -> None:
    plain = local(words_file(tmp_path / "plain.txt")).embed(["sort the corner", "", "unheard-of"])
    other = local(words_file(tmp_path / name, header)).embed(["sort the corner", "", "unheard-of"])
    for one, two in zip(plain, other, strict=True):
        np.testing.assert_array_equal(one.values_D, two.values_D)


def test_a_vector_depends_on_its_text_alone_and_is_the_same_in_another_process(tmp_path: Path) -> None:
    path = words_file(tmp_path / "words.txt")
    code = (
        "from tasks.embedding import *; import sys;"
        "print(Embedder(EmbeddingSettings(path=sys.argv[1])).embed(['a', 'sort zzyzx'])[1].values_D.tolist())"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, timeout=60, cwd=root
    )
    assert json.loads(done.stdout) == local(path).embed(["sort zzyzx"])[0].values_D.tolist()


def test_a_common_word_moves_a_text_less_than_a_rare_one(tmp_path: Path) -> None:
    filler = [f"w{n} 1 0 0" for n in range(2_000)]
    path = tmp_path / "words.txt"
    path.write_text("\n".join(["common 0 1 0", *filler, "rare 0 1 0"]))
    common, rare, without = local(path).embed(["w1500 common", "w1500 rare", "w1500"])
    assert cosine(common, without) > 0.99 > 0.8 > cosine(rare, without)


def test_a_file_that_changes_its_dimension_is_refused(tmp_path: Path, store: ItemStore) -> None:
    path = words_file(tmp_path / "words.txt")
    embed_missing(store, local(path, "mine"), "d")
    (tmp_path / "other.txt").write_text("row 1 0\ncorner 0 1\n")
    store.upsert([Item("new", "d", "another row")])
    with pytest.raises(VectorMismatch, match="a vector of 2 numbers where those stored under that name have 3"):
        embed_missing(store, local(tmp_path / "other.txt", "mine"), "d")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no word vectors"),
        (b"row 1 0\ncorner 1\n", "line 2: expected a word and 2 to"),
        (b"row 1 0\ncorner 1 2 3\n", "line 2: 3 numbers where the lines before have 2"),
        (b"row 1 zero\n", "line 1: a number is none"),
        (b"row 1 nan\n", "line 1: expected a word and 2 to 4096 finite numbers"),
        (b'{"model": "config"}', "line 1: a number is none"),
        (b"x" * 200_000, "line 1: expected"),
        (gzip.compress(b"row 1 0\n" * 900, mtime=0)[:-20], "cannot be read"),
    ],
)
def test_what_is_no_file_of_word_vectors_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises(ModelMisconfigured, match=said) as raised:
        local(tmp_path / "words.txt").embed(["row"])
    assert "\n" not in str(raised.value)


def test_a_path_is_looked_at_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(ModelMisconfigured, match="there is nothing at"):
        local(tmp_path / "missing")


def test_a_path_takes_no_address_and_an_endpoint_needs_a_model() -> None:
    with pytest.raises(ValueError, match="of an endpoint; with `path` no server is asked"):
        EmbeddingSettings(path="/models/x", base_url="http://localhost/v1")
    with pytest.raises(ValueError, match="expected `model`"):
        EmbeddingSettings()
    settings = EmbeddingSettings(path="/models/x/")
    assert EmbeddingSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize("content", [b"pad 0 0\nrest 1 0\n", b"pad 1 0\nfill -1 0\n", b"pad 1e38 1e38\nrest 1 0\n"])
def test_every_text_has_a_vector_whatever_the_file_says_of_its_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "words.txt").write_bytes(content)
    texts = ["pad", "pad fill", "unknown", ""]
    assert len(local(tmp_path / "words.txt").embed(texts)) == len(texts)


def test_another_model_of_the_same_name_has_another_space(tmp_path: Path, store: ItemStore) -> None:
    spaces = []
    for number, folder in enumerate((tmp_path / "a" / "model", tmp_path / "b" / "model", tmp_path / "c" / "model")):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"size": number // 2}))
        (folder / "README.md").write_text(str(number))
        spaces.append(local(folder).space)
    assert spaces[0] == spaces[1] != spaces[2]
    assert local(tmp_path / "a" / "model", "mine").space == "mine"


def test_a_file_that_was_replaced_makes_vectors_anew(tmp_path: Path, store: ItemStore) -> None:
    file = words_file(tmp_path / "words.txt")
    assert embed_missing(store, local(file), "d") == 3
    assert embed_missing(store, local(file), "d") == 0
    file.write_text("sort 1 0 0\ncorner 0 0 1\n")
    os.utime(file, ns=(1, 1))
    assert embed_missing(store, local(file), "d") == 3
