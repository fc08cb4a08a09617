"""What reinforcement learning starts with: written items (cognition/*.jsonl) and code blocks (blocks/*.py)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cognition.records import Item
from tasks import knowledge
from tasks.contract import Slot, Template

HERE = Path(__file__).parent
BLOCKS = HERE / "blocks"
DOMAIN = "rl"

SLOTS = (
    Slot("credit", "what a completion's reward is worth within its group"),
    Slot("scale", "how large advantages are"),
    Slot("surrogate", "what is maximised, and how far the policy may move"),
    Slot("divergence", "what moving away from the base or the sampler costs"),
    Slot("tokens", "which tokens are learnt from"),
    Slot("aggregate", "how token losses become one number"),
)


@cache
def items() -> tuple[Item, ...]:
    """The written items first, then one per block."""
    files = sorted((HERE / "cognition").glob("*.jsonl"))
    written = tuple(item for file in files for item in knowledge.written_items(file, DOMAIN))
    return written + knowledge.block_items(BLOCKS, SLOTS, DOMAIN, "rl/blocks")


@cache
def template() -> Template:
    """The frame; the proposer puts the chosen blocks in its place."""
    return Template(SLOTS, (BLOCKS / "frame.py").read_text(encoding="utf-8"))
