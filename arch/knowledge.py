"""The cognition that architecture design starts with: written items (cognition.jsonl) and code blocks (blocks/*.py)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cognition.records import Item
from tasks import knowledge
from tasks.contract import Slot, Template

HERE = Path(__file__).parent
BLOCKS = HERE / "blocks"
DOMAIN = "arch"

SLOTS = (
    Slot("feature", "what queries and keys become before they meet the memory"),
    Slot("write", "how strongly each token is written"),
    Slot("decay", "how fast the state fades"),
    Slot("update", "the memory's rule"),
    Slot("path", "a short filter beside the memory"),
    Slot("route", "how memory and local path are combined"),
)


@cache
def items() -> tuple[Item, ...]:
    """The written items first, then one per block."""
    written = knowledge.written_items(HERE / "cognition.jsonl", DOMAIN)
    return written + knowledge.block_items(BLOCKS, SLOTS, DOMAIN, "arch/blocks")


@cache
def template() -> Template:
    """The frame; the proposer puts the chosen blocks in its place."""
    return Template(SLOTS, (BLOCKS / "frame.py").read_text(encoding="utf-8"))
