"""The cognition that drug-target interaction starts with: written items (cognition.jsonl) and blocks (blocks/*.py)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cognition.records import Item
from tasks import knowledge
from tasks.contract import Slot, Template

HERE = Path(__file__).parent
BLOCKS = HERE / "blocks"
DOMAIN = "drug_target"
OURS = "problems.drug_target"

SLOTS = (
    Slot("place", "what a residue's place in the sequence does"),
    Slot("message", "how an atom hears from its neighbours"),
    Slot("attend", "how pairs of atom and residue are weighed"),
    Slot("pool", "how weighed pairs become one vector"),
)


@cache
def items() -> tuple[Item, ...]:
    """The written items first, then one per block."""
    written = knowledge.written_items(HERE / "cognition.jsonl", DOMAIN)
    return written + knowledge.block_items(BLOCKS, SLOTS, DOMAIN, "problems/drug_target/blocks")


@cache
def template() -> Template:
    """The frame; the proposer puts the chosen blocks in its place."""
    title = "Says whether a drug binds a protein, from the drug's graph and the protein's sequence."
    return Template(SLOTS, knowledge.program(title, [BLOCKS / "frame.py"], OURS))
