"""The cognition that curation starts with: written items (cognition.jsonl) and code blocks (blocks/*.py).

Blocks are read as text with `ast` and never imported. A block is a function;
its docstring is its item's insight and guidance; its keyword-only arguments are its tunables, whose annotation
`Annotated[float, (low, high), "log"]` (or `Annotated[str, "this", "that"]`) gives the range.
"""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

from cognition.records import CodeBlock, Item, Tunable
from tasks.contract import Slot, Template

HERE = Path(__file__).parent
BLOCKS = HERE / "blocks"
OURS = "curation"

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
    return written_items() + tuple(_block_item(block, text) for slot in SLOTS for block, text in _blocks(slot.name))


def written_items() -> tuple[Item, ...]:
    """The items of cognition.jsonl."""
    lines = (HERE / "cognition.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(_written(json.loads(line)) for line in lines if line.strip())


@cache
def template() -> Template:
    """The program around the blocks: the toolkit, then the place for the blocks, then `pack`."""
    toolkit = _without(BLOCKS / "toolkit.py", drop_docstring=True)
    frame = _without(BLOCKS / "frame.py", drop_docstring=True)
    title = '"""Cleans one document: what no reader came for goes, the text stays."""'
    return Template(SLOTS, f"{title}\n\nfrom __future__ import annotations\n\n{toolkit}\n\n{frame}")


def _written(fields: dict[str, object]) -> Item:
    triggers = fields.pop("triggers", [])
    if not isinstance(triggers, list):
        raise TypeError(f"{fields.get('id')}: triggers is a list of strings, not {triggers!r}")
    return Item(domain="curation", triggers=tuple(triggers), **fields)  # type: ignore[arg-type]  # checked by tests


def _block_item(block: CodeBlock, text: str) -> Item:
    insight, _, guidance = text.partition("\n\n")
    return Item(
        id=f"curation-block-{block.name}",
        domain="curation",
        insight=" ".join(insight.split()),
        triggers=(block.slot, block.name.replace("_", " ")),
        guidance=" ".join(guidance.split()),
        source=f"curation/blocks/{block.slot}.py",
        kind="code block",
        provenance="experience",
        block=block,
    )


def _blocks(slot: str) -> list[tuple[CodeBlock, str]]:
    """The blocks of one module, each with its docstring."""
    source = (BLOCKS / f"{slot}.py").read_text(encoding="utf-8")
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            text = ast.get_source_segment(source, node) or ""
            found.append((CodeBlock(slot, node.name, text, _tunables(node)), ast.get_docstring(node) or ""))
    return found


def _tunables(function: ast.FunctionDef) -> tuple[Tunable, ...]:
    return tuple(
        _tunable(argument, default)
        for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    )


def _tunable(argument: ast.arg, default: ast.expr | None) -> Tunable:
    note = argument.annotation
    if default is None or not isinstance(note, ast.Subscript) or not isinstance(note.slice, ast.Tuple):
        raise ValueError(f"tunable {argument.arg}: expected Annotated[type, (low, high)] = default")
    value = ast.literal_eval(default)
    first, *rest = [ast.literal_eval(entry) for entry in note.slice.elts[1:]]
    if isinstance(first, tuple):
        return Tunable(argument.arg, value, low=first[0], high=first[1], log="log" in rest)
    return Tunable(argument.arg, value, choices=(first, *rest))


def _without(path: Path, drop_docstring: bool) -> str:
    """A module's text without its docstring, its `__future__` line, `__all__`, and imports of our own modules."""
    source = path.read_text(encoding="utf-8")
    lines: list[str | None] = list(source.splitlines())
    for position, node in enumerate(ast.parse(source).body):
        is_docstring = drop_docstring and position == 0 and isinstance(node, ast.Expr)
        if is_docstring or _is_plumbing(node):
            lines[node.lineno - 1 : node.end_lineno] = [None] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    text = "\n".join(line for line in lines if line is not None).strip() + "\n"
    return re.sub(r"\n{4,}", "\n\n\n", text)


def _is_plumbing(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "__future__" or (node.module or "").startswith(OURS)
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
