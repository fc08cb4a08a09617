"""A large base: the work of a search and the length of a prompt do not grow with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cognition import search
from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.records import Item
from tasks.researcher import researcher_messages
from tests.cognition.play import NAME, new_archive
from tests.cognition.populate import counted, populate
from tests.tasks.agent_examples import CONTEXT

COMMON = " ".join(["stagnation", "plateau", "gap", "radius", "crash"])


def filled(folder: Path, count: int, guidance: str = "") -> Archive:
    folder.mkdir()
    archive = new_archive(folder)
    texts = ((number, f"symptom{number // 4}x") for number in range(count))
    ItemStore(archive).upsert(
        Item(f"i{n}", "circle_packing", f"{COMMON} {word}", (word,), guidance=guidance) for n, word in texts
    )
    return archive


def test_a_search_of_common_words_does_bounded_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_RANKED", 25)
    work = []
    for count in (100, 400):
        with filled(tmp_path / str(count), count) as archive:
            store = ItemStore(archive)
            query = f"{COMMON} symptom7x"
            store.recall("circle_packing", query)
            with counted(archive) as done:
                found = [store.recall("circle_packing", query) for _ in range(30)][-1]
            assert found[0].item.triggers == ("symptom7x",)
            work.append(done.hundreds_of_instructions)
    assert work[1] <= 1.5 * work[0]  # four times as many items have the common words


@pytest.mark.slow
def test_a_prompt_keeps_its_budget_with_ten_thousand_candidates_and_items(tmp_path: Path) -> None:
    with filled(tmp_path / "large", 10_000, "long advice " * 400) as archive:
        populate(archive, 10_000)
        found = ItemStore(archive).recall("circle_packing", COMMON, 50)
        context = replace(
            CONTEXT,
            items=tuple(hit.item for hit in found),
            elites=tuple(archive.top(NAME, 500)),
            recent=tuple(archive.recent(NAME, 500)),
            references=tuple(archive.top(NAME, 20)),
        )
        messages = researcher_messages(context, (), "program", 4_000)
    assert len(context.items) == 50
    assert sum(len(message.text) for message in messages) <= 16_000


def test_the_index_is_merged_while_the_base_grows_item_by_item(tmp_path: Path) -> None:
    with new_archive(tmp_path) as archive:
        store, pieces = ItemStore(archive), []
        for number in range(160):
            store.upsert([Item(f"i{number}", "circle_packing", f"{COMMON} number{number}x")])
            pieces.append(_pieces(archive))
        assert [pieces[number - 1] for number in (32, 64, 96, 128, 160)] == [1] * 5
        assert max(pieces[32:]) <= 8
        assert store.search("circle_packing", "number77x")[0].item.id == "i77"


def _pieces(archive: Archive) -> int:
    with archive.database.read() as tx:
        return int(tx.exec_driver_sql("SELECT count(DISTINCT segid) FROM items_fts_idx").scalar_one())
