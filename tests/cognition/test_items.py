"""The cognition base: what is recalled by which symptom, and what may be written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cognition.archive import Archive, ArchiveError
from cognition.items import Hit, ItemStore
from cognition.records import CodeBlock, Item
from cognition.search import useful_words
from cognition.transfer import load_jsonl

DOMAIN = "circle_packing"
BLOCK = CodeBlock("local", "slsqp", "def slsqp(): ...")
OVERLAP = Item("overlap", DOMAIN, "Shrink radii by a linear program", ("circles overlap", "invalid packing"))
STUCK = Item("stuck", DOMAIN, "Perturb and restart", ("no improvement", "same local optimum"), block=BLOCK)
EDGES = Item("edges", DOMAIN, "Circles that overlap the edges", ("gaps at corners",), "background", "guidance")
FOREIGN = Item("foreign", "drug_target", "Sinkhorn attention", ("circles overlap",))


@pytest.fixture
def store(archive: Archive) -> ItemStore:
    items = ItemStore(archive)
    items.upsert([OVERLAP, STUCK, EDGES, FOREIGN])
    return items


def ids(hits: list[Hit]) -> list[str]:
    return [hit.item.id for hit in hits]


def test_a_symptom_recalls_its_remedy_in_another_inflection(store: ItemStore) -> None:
    assert ids(store.search(DOMAIN, "The optimizer improved nothing; it restarts in the same optima.", 1)) == ["stuck"]


def test_triggers_weigh_more_than_the_rest(store: ItemStore) -> None:
    hits = store.search(DOMAIN, "overlapping circle")
    assert ids(hits) == ["overlap", "edges"]
    assert hits[0].score > hits[1].score > 0


def test_only_the_domain_is_searched_and_only_k_come_back(store: ItemStore) -> None:
    assert ids(store.search("drug_target", "overlap")) == ["foreign"]
    assert len(store.search(DOMAIN, "circles overlap", 1)) == 1
    assert store.search(DOMAIN, "circles overlap", 0) == []
    assert store.search(DOMAIN, "nothing of the kind") == []


@pytest.mark.parametrize("query", ["", "  ", "the of and", '"', "NEAR(a b)", "a AND", "x:y*", "^(", "-1", "col:\0"])
def test_what_is_no_query_language_finds_at_most_nothing(store: ItemStore, query: str) -> None:
    assert store.search(DOMAIN, query) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(query=st.text(st.characters(codec="utf-8")))
def test_any_text_can_be_searched_for(store: ItemStore, query: str) -> None:
    assert set(ids(store.search(DOMAIN, query))) <= {"overlap", "stuck", "edges"}


def test_a_long_analysis_is_cut_and_still_finds(store: ItemStore) -> None:
    filler = " ".join(f"word{number}" for number in range(5_000))
    assert ids(store.search(DOMAIN, f"perturb {filler}", 1)) == ["stuck"]
    assert len(useful_words(filler)) == 200


def test_writing_again_counts_versions_and_replaces_what_is_found(store: ItemStore) -> None:
    assert store.upsert([OVERLAP]) == 0
    assert store.version("overlap") == 1
    changed = replace(OVERLAP, triggers=("radii too large",), block=BLOCK)
    assert store.upsert([changed, STUCK]) == 1
    assert store.version("overlap") == 2
    assert store.get_many(["overlap"]) == (changed,)
    assert ids(store.search(DOMAIN, "too large")) == ["overlap"]
    assert ids(store.search(DOMAIN, "invalid packing")) == []
    assert store.blocks(DOMAIN) == (changed, STUCK)


def test_adding_what_is_missing_leaves_the_rest_alone(store: ItemStore) -> None:
    new = Item("new", DOMAIN, "new")
    assert store.add_missing([replace(OVERLAP, insight="changed"), new]) == 1
    assert store.add_missing([new]) == 0
    assert store.all(DOMAIN) == (OVERLAP, STUCK, EDGES, new)
    assert store.blocks(DOMAIN) == (STUCK,)


def test_an_id_belongs_to_one_domain(store: ItemStore) -> None:
    with pytest.raises(ArchiveError, match="'overlap' belongs to circle_packing"):
        store.upsert([replace(OVERLAP, domain="drug_target")])


def test_items_come_in_the_order_asked_for(store: ItemStore) -> None:
    assert store.get_many(["stuck", "overlap"]) == (STUCK, OVERLAP)
    assert store.get_many([]) == ()
    with pytest.raises(ArchiveError, match="no cognition item nothing"):
        store.get_many(["stuck", "nothing"])
    with pytest.raises(ArchiveError, match="no cognition item nothing"):
        store.version("nothing")


def write(folder: Path, *lines: object) -> Path:
    path = folder / "items.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_a_file_of_items(tmp_path: Path) -> None:
    line = {"id": "stuck", "insight": "Perturb", "triggers": ["no improvement"], "kind": "optimisation method"}
    other = {"id": "other", "domain": "d", "insight": "x", "block": {"slot": "s", "name": "n", "source": "..."}}
    expected = (
        Item("stuck", DOMAIN, "Perturb", ("no improvement",), kind="optimisation method"),
        Item("other", "d", "x", block=CodeBlock("s", "n", "...")),
    )
    assert load_jsonl(write(tmp_path, line, "", other), DOMAIN) == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "a"', "items.jsonl:2: not valid JSON"),
        ("[1]", "items.jsonl:2: expected an object"),
        ({"id": "a", "insight": "b", "trigger": ["c"]}, "items.jsonl:2: unknown key 'trigger'; known: id, domain"),
        ({"id": "a"}, "items.jsonl:2: insight: Field required"),
        ({"id": "a", "insight": 3}, "items.jsonl:2: insight: Input should be a valid string"),
        ({"id": "a", "insight": "b", "provenance": "web"}, "items.jsonl:2: provenance"),
        ({"id": "ok", "insight": "b"}, "items.jsonl:2: the id 'ok' is used twice"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: object, said: str) -> None:
    with pytest.raises(ArchiveError, match=said):
        load_jsonl(write(tmp_path, {"id": "ok", "insight": "fine"}, line), DOMAIN)
