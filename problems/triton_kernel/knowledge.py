"""The cognition that an operation starts with: written items (cognition.jsonl), shared blocks and its own (blocks)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cognition.records import Item
from tasks import knowledge
from tasks.contract import Slot, Template

HERE = Path(__file__).parent
DOMAIN = "triton_kernel"
SHARED = HERE / "blocks"

PASSES = Slot("passes", "how the work is divided into launches")
SHARED_SLOTS = (
    Slot("rows", "how many rows a program takes"),
    Slot("columns", "how many columns a program holds at once, where it does not hold whole rows"),
    Slot("warps", "how many warps a program has: no effect in the interpreter"),
)
SLOTS = (PASSES, *SHARED_SLOTS)


@cache
def items(operation: str) -> tuple[Item, ...]:
    """The written items first, then one per block of the operation."""
    written = knowledge.written_items(HERE / "cognition.jsonl", DOMAIN)
    own = knowledge.block_items(_own(operation), (PASSES,), DOMAIN, f"problems/{DOMAIN}/{operation}/blocks")
    return written + own + knowledge.block_items(SHARED, SHARED_SLOTS, DOMAIN, f"problems/{DOMAIN}/blocks")


@cache
def template(operation: str, title: str) -> Template:
    """Kernels and helpers, then the place for the blocks, then `launch`."""
    modules = [_own(operation) / "toolkit.py", _own(operation) / "frame.py"]
    return Template(SLOTS, knowledge.program(f"In Triton: {title}.", modules, f"problems.{DOMAIN}"))


def _own(operation: str) -> Path:
    return HERE / operation / "blocks"
