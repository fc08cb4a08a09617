"""A large base: the work of a search and the length of a prompt do not grow with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.records import Item
from cognition.search import MOST_RANKED
from tasks.researcher import researcher_messages
from tests.cognition.play import NAME, new_archive
from tests.cognition.populate import counted, populate
from tests.tasks.agent_examples import CONTEXT

WORDS = [f"symptom{number}x" for number in range(400)]
COMMON = " ".join(["stagnation", "plateau", "gap", "radius", "crash"])


def filled(folder: Path, count: int) -> Archive:
    folder.mkdir()
    archive = new_archive(folder)
    texts = ((number, WORDS[number % 400]) for number in range(count))
    ItemStore(archive).upsert(
        Item(f"i{n}", "circle_packing", f"{COMMON} {word}", (word,), guidance="long advice " * 400) for n, word in texts
    )
    return archive


def test_a_search_of_common_words_does_bounded_work(tmp_path: Path) -> None:
    work = []
    for count in (2 * MOST_RANKED, 6 * MOST_RANKED):
        with filled(tmp_path / str(count), count) as archive:
            store = ItemStore(archive)
            query = f"{COMMON} {WORDS[7]}"
            store.recall("circle_packing", query)
            with counted(archive) as done:
                found = store.recall("circle_packing", query)
            assert WORDS[7] in found[0].item.triggers
            work.append(done.hundreds_of_instructions)
    assert work[1] <= 4 * work[0]  # the rare word has three times as many items; those with a common one are not ranked


@pytest.mark.slow
def test_a_prompt_keeps_its_budget_with_ten_thousand_candidates_and_items(tmp_path: Path) -> None:
    with filled(tmp_path / "large", 10_000) as archive:
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
