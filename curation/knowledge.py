"""The cognition that curation starts with: written items (cognition.jsonl) and code blocks (blocks/*.py)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cognition.records import Item
from tasks import knowledge
from tasks.contract import Slot, Template

HERE = Path(__file__).parent
BLOCKS = HERE / "blocks"
DOMAIN = OURS = "curation"

SLOTS = (
    Slot("keep", "lines that must stay, whatever other rules say of them"),
    Slot("markup", "tags, comments, scripts, entities"),
    Slot("encoding", "wrong code pages and invisible characters"),
    Slot("private", "addresses and numbers of persons"),
    Slot("boilerplate", "lines that belong to the page and not to the text"),
    Slot("repeats", "what stands in the document twice"),
    Slot("spacing", "white space and signs"),
    Slot("worth", "whether what is left is worth keeping"),
)


@cache
def items() -> tuple[Item, ...]:
    """Every item the campaign starts with: the written ones first, then one per block."""
    return written_items() + knowledge.block_items(BLOCKS, SLOTS, DOMAIN, "curation/blocks")


def written_items() -> tuple[Item, ...]:
    """The items of cognition.jsonl."""
    return knowledge.written_items(HERE / "cognition.jsonl", DOMAIN)


@cache
def template() -> Template:
    """The program around the blocks: the toolkit, then the place for the blocks, then `clean`."""
    title = "Cleans one document: what no reader came for goes, the text stays."
    return Template(SLOTS, knowledge.program(title, [BLOCKS / "toolkit.py", BLOCKS / "frame.py"], OURS))
