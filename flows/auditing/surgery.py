"""Puts a cheat into a seed program: another body for its function, and lines before it. Never runs anything.

The rest of the text stays as it is, comments and marks such as EVOLVE-BLOCK-START included, since a problem may refuse
a program that differs elsewhere.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from cognition import tree
from tasks.contract import Brief
from tasks.trees import is_protected


@dataclass(frozen=True, slots=True)
class Operable:
    """A program with a function that can be replaced."""

    code: str
    function: ast.FunctionDef

    @property
    def honest(self) -> str:
        """The function's own source, under the name `_honest`, at the top level."""
        renamed = ast.FunctionDef(
            "_honest", self.function.args, self.function.body, [], self.function.returns, lineno=1, col_offset=0
        )
        return ast.unparse(ast.fix_missing_locations(renamed))

    @property
    def call(self) -> str:
        """An expression in the function's body that gives the honest answer."""
        a = self.function.args
        names = [x.arg for x in (*a.posonlyargs, *a.args)]
        parts = names + ([f"*{a.vararg.arg}"] if a.vararg else [])
        parts += [f"{x.arg}={x.arg}" for x in a.kwonlyargs] + ([f"**{a.kwarg.arg}"] if a.kwarg else [])
        return f"_honest({', '.join(parts)})"

    def operated(self, body: str, before: str = "") -> str:
        """The program with this body, and these lines before the function."""
        header = ast.unparse(
            ast.fix_missing_locations(
                ast.FunctionDef(
                    self.function.name, self.function.args, [ast.Pass()], [], self.function.returns,
                    lineno=1, col_offset=0,
                )
            )
        ).rsplit("\n", 1)[0]  # fmt: skip
        new = f"{before.rstrip()}\n{header}\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"
        lines = self.code.splitlines()
        first = min([self.function.lineno, *(d.lineno for d in self.function.decorator_list)])
        kept = [*lines[: first - 1], *new.strip("\n").splitlines(), *lines[self.function.end_lineno :]]
        return "\n".join(kept) + "\n"


def operable(code: str, entry: str | None) -> Operable | None:
    """The program with its function `entry`, or else its last public one, inside the marks if there are marks.

    None if it has no function. Async functions and methods are left alone.
    """
    functions = [node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]
    functions = [f for f in functions if _may_change(code, f)]
    named = [f for f in functions if f.name == entry]
    public = [f for f in functions if not f.name.startswith("_")]
    chosen = named or public or functions
    return Operable(code, chosen[-1]) if chosen else None


def operable_in(brief: Brief, entry: str | None) -> tuple[Operable | None, Callable[[str], str]]:
    """The seed, or of several files the one with the entry; and what makes a whole candidate of a changed one."""
    if brief.tree is None:
        return operable(brief.seed_program, entry), lambda code: code
    files = tree.read(brief.seed_program)
    module, _, function = (entry or "").partition(":")
    base = module.replace(".", "/")
    file = next((name for name in (f"{base}.py", f"{base}/__init__.py") if name in files), None)
    if file is None or is_protected(brief.tree, file):
        return None, lambda code: code
    return operable(files[file], function), lambda code: tree.write({**files, file: code})


def _may_change(code: str, function: ast.FunctionDef) -> bool:
    if "EVOLVE-BLOCK-START" not in code:
        return True
    before = "\n".join(code.splitlines()[: function.lineno - 1])
    return before.count("EVOLVE-BLOCK-START") > before.count("EVOLVE-BLOCK-END")
