"""The cognition that circle packing starts with: written items (cognition.jsonl) and code blocks (blocks/*.py)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cognition.records import Item
from tasks import knowledge
from tasks.contract import Slot, Template

HERE = Path(__file__).parent
BLOCKS = HERE / "blocks"
DOMAIN = "circle_packing"
OURS = "problems.circle_packing"

SLOTS = (
    Slot("start", "where the centres begin"),
    Slot("local", "from centres to a valid packing nearby"),
    Slot("perturb", "from a packing to other centres to try"),
    Slot("schedule", "how the CPU time is spent on starts and perturbations"),
)


@cache
def items() -> tuple[Item, ...]:
    """Every item the campaign starts with: the written ones first, then one per block."""
    return written_items() + knowledge.block_items(BLOCKS, SLOTS, DOMAIN, "problems/circle_packing/blocks")


def written_items() -> tuple[Item, ...]:
    """The items of cognition.jsonl."""
    return knowledge.written_items(HERE / "cognition.jsonl", DOMAIN)


@cache
def template() -> Template:
    """The program around the blocks: the toolkit, then the place for the blocks, then `pack`."""
    title = "Packs n circles into a rectangle so that the sum of their radii is large."
    return Template(SLOTS, knowledge.program(title, [BLOCKS / "toolkit.py", BLOCKS / "frame.py"], OURS))
