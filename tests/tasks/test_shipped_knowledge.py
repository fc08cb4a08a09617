"""The written items that come with problems: complete, sourced, told apart, fit for a prompt, and as documented.

What an item claims is not tested here; formulas that can be checked by arithmetic are, in test_knowledge_formulas.py.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from cognition.hostile import hostile
from cognition.records import Item
from cognition.similar import meaning, normal, same_meaning, shingles
from tasks import knowledge

ROOT = Path(__file__).parents[2]
HOMES = sorted(
    {found.parent for found in ROOT.glob("problems/*/cognition.jsonl")}
    | {ROOT / name for name in ("arch", "curation", "rl")}
)
#: What a prompt shows of one item (tasks/researcher.py).
SHOWN_CHARS = 2_000
#: Stricter than what the engine calls the same, and without its exceptions: two shipped items share no third of a text.
ALIKE = 0.35
ARXIV = re.compile(r"\b(?:\d{4}\.\d{4,5}|(?:math|cond-mat)/\d{7})\b")
ROW = re.compile(r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)


def written(home: Path) -> tuple[Item, ...]:
    return knowledge.written_items(home / "cognition.jsonl", home.name)


@pytest.fixture(scope="module", params=HOMES, ids=lambda home: home.name)
def items(request: pytest.FixtureRequest) -> tuple[Item, ...]:
    return written(request.param)


def test_every_home_is_read() -> None:
    counts = {home.name: len(written(home)) for home in HOMES}
    assert counts["arch"] >= 150
    assert counts["circle_packing"] >= 20
    assert min(counts.values()) >= 3


def test_items_are_complete(items: tuple[Item, ...]) -> None:
    parts = ("insight", "triggers", "background", "guidance", "source", "kind")
    assert [(item.id, part) for item in items for part in parts if not getattr(item, part)] == []
    assert [item.id for item in items if not item.id.startswith(f"{item.domain}-")] == []


def test_triggers_are_symptoms_of_an_item_each(items: tuple[Item, ...]) -> None:
    assert [item.id for item in items if not 1 < len(item.triggers) == len(set(item.triggers))] == []
    assert [trigger for item in items for trigger in item.triggers if len(trigger) > 80] == []


def test_sources_name_a_paper_and_arxiv_numbers_are_possible(items: tuple[Item, ...]) -> None:
    numbers = {number for item in items for number in ARXIV.findall(item.source)}
    new = [number for number in numbers if "." in number]
    assert [number for number in new if not ("07" <= number[:2] <= "26" and "01" <= number[2:4] <= "12")] == []
    untitled = [item.source for item in items if re.match(r"\W*(?:arXiv)?\W*\d", item.source)]
    assert untitled == []


def test_no_two_items_say_the_same(items: tuple[Item, ...]) -> None:
    texts = [(item.id, shingles(normal(meaning(item)))) for item in items]
    pairs = itertools.combinations(texts, 2)
    assert [(one, other) for (one, a), (other, b) in pairs if len(a & b) >= ALIKE * len(a | b)] == []


def test_the_likeness_that_is_looked_for_is_stricter_than_the_engines() -> None:
    one, other = "Keys of length one keep it stable.", "Keys of length one keep it stable, always."
    assert same_meaning(one, other)
    a, b = shingles(normal(one)), shingles(normal(other))
    assert len(a & b) >= ALIKE * len(a | b)


def test_items_fit_a_prompt_and_do_not_speak_to_the_model(items: tuple[Item, ...]) -> None:
    lengths = {item.id: len(item.insight) + len(item.guidance) + len(item.background) for item in items}
    assert {id: length for id, length in lengths.items() if length > SHOWN_CHARS - 200} == {}
    assert [(item.id, words) for item in items if (words := hostile(item)) is not None] == []


def test_the_documentation_counts_what_is_there() -> None:
    rows = {name: tuple(map(int, rest)) for name, *rest in ROW.findall((ROOT / "docs" / "knowledge.md").read_text())}
    homes = {home.name: home for home in HOMES}
    assert set(rows) == set(homes)
    for name, stated in rows.items():
        found = written(homes[name])
        papers = {number for item in found for number in ARXIV.findall(item.source)}
        assert stated == (len(found), len(papers), sum(not item.verified for item in found)), name


def test_items_are_read_from_one_file_and_from_a_folder_beside_it(tmp_path: Path) -> None:
    line = '{"id": "x-%s", "insight": "i", "triggers": ["a"]}\n'
    (tmp_path / "cognition.jsonl").write_text(line % 1)
    (tmp_path / "cognition").mkdir()
    (tmp_path / "cognition" / "b.jsonl").write_text(line % 3)
    (tmp_path / "cognition" / "a.jsonl").write_text(line % 2)
    found = knowledge.written_items(tmp_path / "cognition.jsonl", "x")
    assert [item.id for item in found] == ["x-1", "x-2", "x-3"]
    (tmp_path / "cognition" / "c.jsonl").write_text(line % 2)
    with pytest.raises(ValueError, match="several items have the id x-2"):
        knowledge.written_items(tmp_path / "cognition.jsonl", "x")
    (tmp_path / "cognition" / "c.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match=r"c\.jsonl, line 1: triggers"):
        knowledge.written_items(tmp_path / "cognition.jsonl", "x")
