"""What a problem knows at the start: written items (cognition.jsonl, cognition/*.jsonl), code blocks, their template.

Blocks are read as text with `ast` and never imported, so a brief costs none of their imports. A block is a function;
its docstring is its item's insight (first paragraph) and guidance (the rest); its keyword-only arguments are its
tunables, whose annotation `Annotated[float, (low, high), "log"]` (or `Annotated[str, "this", "that"]`) gives the
range. Functions whose names begin with an underscore are no blocks.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cognition.records import JSON, CodeBlock, Item, Tunable
from tasks.contract import Slot


def written_files(file: Path) -> tuple[Path, ...]:
    """A cognition.jsonl, if there is one, and the *.jsonl of the folder of the same name beside it, by name."""
    return tuple([file] if file.exists() else []) + tuple(sorted(file.with_suffix("").glob("*.jsonl")))


def written_items(file: Path, domain: str) -> tuple[Item, ...]:
    """The items of `written_files`, one JSON object a line. Raises ValueError, which names file and line."""
    found = [item for part in written_files(file) for item in _lines(part, domain)]
    if twice := [id for id, times in Counter(item.id for item in found).items() if times > 1]:
        raise ValueError(f"{file.parent}: several items have the id {twice[0]}")
    return tuple(found)


def block_items(folder: Path, slots: Iterable[Slot], domain: str, source: str) -> tuple[Item, ...]:
    """One item per block of `folder`/SLOT.py; `source` is how reports name the folder."""
    return tuple(
        _block_item(block, text, domain, f"{source}/{slot.name}.py")
        for slot in slots
        for block, text in _blocks(folder / f"{slot.name}.py", slot.name)
    )


def program(title: str, modules: Sequence[Path], ours: str) -> str:
    """The text of a template: several modules as one, without their docstrings and imports from package `ours`."""
    parts = "\n\n".join(_without_plumbing(module, ours) for module in modules)
    return f'"""{title}"""\n\nfrom __future__ import annotations\n\n{parts}'


def _lines(part: Path, domain: str) -> Iterator[Item]:
    for number, line in enumerate(part.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                yield _written(json.loads(line), domain)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{part}, line {number}: {error}") from None


def _written(fields: Mapping[str, JSON], domain: str) -> Item:
    triggers = fields.get("triggers")
    if not isinstance(triggers, list):
        raise TypeError(f"triggers is a list of strings, not {triggers!r}")
    return Item(domain=domain, **{**fields, "triggers": tuple(triggers)})


def _block_item(block: CodeBlock, text: str, domain: str, source: str) -> Item:
    insight, _, guidance = text.partition("\n\n")
    return Item(
        id=f"{domain}-block-{block.name}",
        domain=domain,
        insight=" ".join(insight.split()),
        triggers=(block.slot, block.name.replace("_", " ")),
        guidance=" ".join(guidance.split()),
        source=source,
        kind="code block",
        provenance="experience",
        block=block,
    )


def _blocks(module: Path, slot: str) -> list[tuple[CodeBlock, str]]:
    """The blocks of one module, each with its docstring."""
    source = module.read_text(encoding="utf-8")
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


def _without_plumbing(path: Path, ours: str) -> str:
    """A module's text without its docstring, its `__future__` line, `__all__`, and imports of our own modules."""
    source = path.read_text(encoding="utf-8")
    lines: list[str | None] = list(source.splitlines())
    for position, node in enumerate(ast.parse(source).body):
        is_docstring = position == 0 and isinstance(node, ast.Expr)
        if is_docstring or _is_plumbing(node, ours):
            lines[node.lineno - 1 : node.end_lineno] = [None] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    text = "\n".join(line for line in lines if line is not None).strip() + "\n"
    return re.sub(r"\n{4,}", "\n\n\n", text)


def _is_plumbing(node: ast.stmt, ours: str) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "__future__" or (node.module or "").startswith(ours)
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
