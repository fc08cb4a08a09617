"""What a problem's Python files read of other files, as far as their text shows; and what of a file is run.

A file that is imported, or whose name is a text, is read. A docstring is read where something asks for `__doc__`; the
text of a program, comments and all, where something asks for sources or has the file's name as a text. Names that are
put together while a program runs are not seen, nor is what stands in a Python file that is too large or too deeply
nested to be looked through: tables that a program wrote, which count to the byte.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_PARSED_BYTES = 1_000_000  # a table of so many takes seconds
_DOCSTRINGS = frozenset({"__doc__", "getdoc"})
_SOURCES = frozenset({"getsource", "getsourcelines", "getcomments", "getblock", "linecache"})
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Reads:
    """Of the Python files of a measure."""

    parts: frozenset[str] = frozenset()  # of the paths in their texts, and the last ones of the modules they import
    modules: frozenset[str] = frozenset()  # dotted names of what they import
    attributes: frozenset[str] = frozenset()

    @property
    def docstrings(self) -> bool:
        """Whether docstrings are asked for."""
        return self._uses(_DOCSTRINGS)

    def names(self, part: str) -> bool:
        """Whether a text or an import has that part."""
        return part in self.parts or any(part in module.split(".") for module in self.modules)

    def has(self, path: Path) -> bool:
        """Whether the file is imported or named."""
        return path.name in self.parts or (path.suffix == ".py" and self.names(path.stem))

    def imports_part(self, name: tuple[str, ...]) -> bool:
        """Whether a module of that place in the problem's folder is imported, or the file named: `blocks/x.py`."""
        if len(name) == 1 or not name[-1].endswith(".py"):
            return False
        dotted = ".".join([*name[:-1], name[-1].removesuffix(".py")]).removesuffix(".__init__")
        return name[-1] in self.parts or any(f".{dotted}." in f".{module}." for module in self.modules)

    def sees_text_of(self, path: Path) -> bool:
        """Whether a Python file is read as text."""
        return path.name in self.parts or self._uses(_SOURCES)

    def _uses(self, names: frozenset[str]) -> bool:
        return bool(names & (self.attributes | {module.rpartition(".")[2] for module in self.modules}))


def reads_of(files: Iterable[Path]) -> Reads:
    """What these files read. Only Python files that parse say anything."""
    parts, modules, attributes = set[str](), set[str](), set[str]()
    for path in files:
        tree = _parsed(path.read_bytes()) if path.suffix == ".py" else None
        for node in [] if tree is None else ast.walk(_without_docstrings(tree)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules |= set(_imported(node))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                parts.update(node.value.split("/"))
            elif isinstance(node, ast.Attribute):
                attributes.add(node.attr)
    for module in modules:
        parts.add(module.rpartition(".")[2])
    return Reads(frozenset(parts), frozenset(modules), frozenset(attributes))


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The module, and what is imported from it, which may be a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    else:
        base = node.module or ""
        yield base
        yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def what_runs(source: bytes, *, docstrings: bool = False) -> list[str]:
    r"""The hash of a Python file without comments, layout and docstrings; none if it cannot be looked through.

    A file that says `__doc__` keeps its docstrings, as all do with `docstrings`. The hash depends on the version of
    Python, so it is never the only one.

    >>> what_runs(b'"About it."\nx = 1  # one\n') == what_runs(b'x = (1)') != what_runs(b'x = 2')
    True
    >>> what_runs(b'"One."\nprint(__doc__)') == what_runs(b'"Two."\nprint(__doc__)')
    False
    """
    tree = _parsed(source)
    if tree is None:
        return []
    own = any(isinstance(node, ast.Name) and node.id == "__doc__" for node in ast.walk(tree))
    kept = tree if docstrings or own else _without_docstrings(tree)
    try:
        return [hashlib.sha256(ast.dump(kept).encode()).hexdigest()]
    except RecursionError:  # a sum of a thousand terms
        return []


def _parsed(source: bytes) -> ast.Module | None:
    if len(source) > MOST_PARSED_BYTES:
        return None
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return tree
