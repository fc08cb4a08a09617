"""The cognition that architecture design starts with: written items (cognition.jsonl) and code blocks (blocks/*.py).

Blocks are read as text, so a brief does not import torch. A block's docstring gives its item's insight (first
paragraph) and guidance (the rest); its keyword-only arguments, annotated `Annotated[float, (low, high), "log"]`, are
its tunables.
"""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

from cognition.records import CodeBlock, Item, Tunable
from tasks.contract import Slot, Template

HERE = Path(__file__).parent
BLOCKS = HERE / "blocks"
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
    written = [json.loads(line) for line in (HERE / "cognition.jsonl").read_text(encoding="utf-8").splitlines()]
    return tuple(_written(fields) for fields in written) + tuple(
        item for slot in SLOTS for item in _block_items(slot.name)
    )


@cache
def template() -> Template:
    """The frame; the proposer puts the chosen blocks in its place."""
    return Template(SLOTS, (BLOCKS / "frame.py").read_text(encoding="utf-8"))


def _written(fields: dict[str, Any]) -> Item:
    return Item(domain="arch", triggers=tuple(fields.pop("triggers")), **fields)


def _block_items(slot: str) -> list[Item]:
    source = (BLOCKS / f"{slot}.py").read_text(encoding="utf-8")
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return [_block_item(slot, node, ast.get_source_segment(source, node) or "") for node in functions]


def _block_item(slot: str, node: ast.FunctionDef, text: str) -> Item:
    insight, _, guidance = (ast.get_docstring(node) or "").partition("\n\n")
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    block = CodeBlock(slot, node.name, text, tuple(_tunable(argument, default) for argument, default in pairs))
    return Item(
        id=f"arch-block-{node.name}",
        domain="arch",
        insight=" ".join(insight.split()),
        triggers=(slot, node.name.replace("_", " ")),
        guidance=" ".join(guidance.split()),
        source=f"arch/blocks/{slot}.py",
        kind="code block",
        provenance="experience",
        block=block,
    )


def _tunable(argument: ast.arg, default: ast.expr | None) -> Tunable:
    note = argument.annotation
    if default is None or not isinstance(note, ast.Subscript) or not isinstance(note.slice, ast.Tuple):
        raise ValueError(f"tunable {argument.arg}: expected Annotated[type, (low, high)] = default")
    (low, high), *rest = [ast.literal_eval(entry) for entry in note.slice.elts[1:]]
    return Tunable(argument.arg, ast.literal_eval(default), low=low, high=high, log="log" in rest)
