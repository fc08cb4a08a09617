"""The written items on reinforcement learning, drug-target interaction and data cleaning: they parse, say what an item
has to say, and name a source that can be looked up. What they claim is checked by people and not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from cognition.hostile import hostile
from cognition.records import Item
from cognition.similar import SAME, meaning, normal, shingles
from tasks import knowledge

ROOT = Path(__file__).parents[2]
FILES = {
    "rl": sorted((ROOT / "rl" / "cognition").glob("*.jsonl")),
    "drug_target": [ROOT / "problems" / "drug_target" / "cognition.jsonl"],
    "curation": [ROOT / "curation" / "cognition.jsonl"],
}
#: An arXiv id, a DOI, a page, a standard, or a venue with its year.
FINDABLE = re.compile(
    r"arXiv \d{4}\.\d{4,5}|doi 10\.\d{4,}/|\.(?:net|com|site)\b|documentation|[Ss]tandard|Annex|(?:19|20)\d\d"
)
LONGEST = 1500  # characters; five recalled items stay a small part of a prompt


def items(domain: str) -> Iterator[Item]:
    for file in FILES[domain]:
        yield from knowledge.written_items(file, domain)


def papers(domain: str) -> list[Item]:
    """The items of this file's subjects; curation's older ones rest on its corpus and are tested with it."""
    return [item for item in items(domain) if domain != "curation" or item.id.startswith("curation-paper-")]


@pytest.mark.parametrize(("domain", "least"), [("rl", 40), ("drug_target", 80), ("curation", 40)])
def test_there_are_enough_and_their_ids_are_their_own(domain: str, least: int) -> None:
    ids = [item.id for item in items(domain)]
    assert len(papers(domain)) >= least
    assert [id for id in ids if not id.startswith(f"{domain}-") or ids.count(id) > 1] == []


@pytest.mark.parametrize("domain", FILES)
def test_each_says_what_an_item_has_to_say(domain: str) -> None:
    missing = {
        item.id
        for item in papers(domain)
        if not all((item.kind, item.insight, item.background, item.guidance, item.source)) or len(item.triggers) < 3
    }
    assert missing == set()


@pytest.mark.parametrize("domain", FILES)
def test_a_verified_source_can_be_looked_up(domain: str) -> None:
    claimed = [item for item in papers(domain) if item.verified and item.provenance == "paper"]
    assert [item.source for item in claimed if not FINDABLE.search(item.source)] == []


@pytest.mark.parametrize("domain", FILES)
def test_none_is_long_or_speaks_to_the_model(domain: str) -> None:
    lengths = {item.id: len(meaning(item)) + len(item.background) + len(item.source) for item in papers(domain)}
    assert {id: length for id, length in lengths.items() if length > LONGEST} == {}
    assert [found for item in papers(domain) if (found := hostile(item))] == []


@pytest.mark.parametrize("domain", FILES)
def test_no_two_say_the_same(domain: str) -> None:
    said = [(item.id, shingles(normal(meaning(item)))) for item in items(domain)]
    alike = [(a, b) for (a, one), (b, other) in combinations(said, 2) if len(one & other) >= SAME * len(one | other)]
    assert alike == []
