"""The program that a problem starts from: one file `seed.py`, or a folder `seed/`; what is wrong with it, in a line.

Reads text and syntax trees only; nothing of a seed is imported or run here.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from pathlib import Path

from cognition import tree
from tasks import trees
from tasks.contract import Brief, Issue, TreeRules

FILE, FOLDER = "seed.py", "seed"
#: Names at the top of a tree that would hide a module of Python's own.
TAKEN = sys.stdlib_module_names


def wrong(folder: Path, brief: Brief, entry: str, protected: tuple[str, ...]) -> str | None:
    """What is wrong with how a problem declares its seed, before the seed itself is checked; None if nothing is."""
    if brief.tree is None:
        return (
            f"{folder} has protected files, but no folder {FOLDER}/: a single file is the program"
            if protected
            else None
        )
    if (folder / FILE).exists():
        return f"{folder} has both {FILE} and {FOLDER}/: keep the one that is the seed"
    if brief.template is not None:
        return f"{folder} has slots and a folder {FOLDER}/: blocks make programs of one file"
    files = tree.read(brief.seed_program)
    if unused := [
        each for each in protected if not any(trees.is_protected(TreeRules((each,)), name) for name in files)
    ]:
        return f"protected: no file of {folder / FOLDER} matches {unused[0]!r}"
    parts = entry.partition(":")
    if not (parts[2].isidentifier() and all(part.isidentifier() for part in parts[0].split("."))):
        return f"entry is {entry!r}: for a folder {FOLDER}/ it is `package.module:function`"
    return None


def parse_error(brief: Brief) -> str | None:
    """The first file of the seed that is no Python, with its line; None if all are."""
    files = {FILE: brief.seed_program}
    if brief.tree is not None:
        files = {f"{FOLDER}/{name}": text for name, text in tree.read(brief.seed_program).items()}
    for name, text in files.items():
        try:
            if name.endswith(".py"):
                ast.parse(text)
        except (SyntaxError, ValueError) as error:
            return f"{name}, line {getattr(error, 'lineno', None) or 1}: {getattr(error, 'msg', None) or error}"
    return None


def entry_file(entry: str, files: Mapping[str, str]) -> str | None:
    """The file of `package.module:function`, a module or a package; None if there is none."""
    base = entry.partition(":")[0].replace(".", "/")
    return next((name for name in (f"{base}.py", f"{base}/__init__.py") if name in files), None)


def entry_issues(entry: str, files: Mapping[str, str]) -> list[Issue]:
    """The entry function is defined or imported at the top level of its file, and no file hides a module of Python."""
    tops = {name.partition("/")[0].removesuffix(".py") for name in files if name.endswith(".py")}
    issues = [
        Issue("names", f"{top} at the top of the tree hides Python's own module: rename it")
        for top in sorted(tops & TAKEN)
    ]
    module, _, function = entry.partition(":")
    file = entry_file(entry, files)
    if file is None:
        return [*issues, Issue("entry", f"there is no module {module}: it has to define `{function}`")]
    found = _names(files[file])
    if function not in found:
        said = ", ".join(sorted(found)) or "no function"
        issues.append(Issue("entry", f"define `{function}` at the top level of {file} (found: {said})"))
    return issues


def _names(code: str) -> set[str]:
    body = ast.parse(code).body
    imported = {alias.asname or alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names}
    return imported | {node.name for node in body if isinstance(node, ast.FunctionDef)}
