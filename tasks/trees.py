"""Candidates of several files: protected files, reading and writing folders, what changed, what a prompt shows.

The text that holds such a candidate is cognition/tree.py's; what models answer is read in tasks/tree_edits.py.
Protecting a file keeps proposals from changing its text. It does not keep a program from patching it while it runs:
what must not be believed is measured outside the sandbox.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cognition import tree
from cognition.records import Failure, FailureKind
from cognition.tree import TreeError
from tasks.contract import Brief, TreeRules

PROTECTED = "(protected)"
NO_NEWLINE = "\\ No newline at end of file"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that is not the same in two candidates; None: it is not there."""

    path: str
    before: str | None
    after: str | None

    @property
    def word(self) -> str:
        """What became of it."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    def diff(self, before_name: str, after_name: str) -> list[str]:
        """As `diff -u` shows it, with /dev/null for a file that is not there."""
        old = "/dev/null" if self.before is None else f"{before_name}/{self.path}"
        new = "/dev/null" if self.after is None else f"{after_name}/{self.path}"
        return list(difflib.unified_diff(_lines(self.before), _lines(self.after), old, new, lineterm=""))

    @property
    def counts(self) -> tuple[int, int]:
        """Lines added and removed."""
        lines = [line for line in self.diff("", "")[2:] if line[1:] != NO_NEWLINE]
        return sum(line[0] == "+" for line in lines), sum(line[0] == "-" for line in lines)


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[FileChange]:
    """The files that differ, by name."""
    names = sorted({*before, *after})
    found = (FileChange(name, before.get(name), after.get(name)) for name in names)
    return [change for change in found if change.before != change.after]


def is_protected(rules: TreeRules, path: str) -> bool:
    """Whether one of the patterns matches.

    `*` and `?` stand for anything within a name, `**` for any folders; one that ends with / is all below a folder.

    >>> rules = TreeRules(("data/", "*.toml", "lib/**/table.py"))
    >>> [is_protected(rules, name) for name in ("data/a/b.txt", "x.toml", "lib/table.py", "lib/a/b/table.py")]
    [True, True, True, True]
    >>> [is_protected(rules, name) for name in ("data.py", "a/x.toml", "lib/tables.py")]
    [False, False, False]
    """
    return any(_pattern(each).fullmatch(path) for each in rules.protected)


def refusal(brief: Brief, code: str) -> Failure | None:
    """Why a candidate may not be tried by the rules of its tree; None if it may, or is one file."""
    if brief.tree is None:
        return None
    try:
        files = tree.read(code)
    except TreeError as error:
        return Failure(FailureKind.CHECK, f"files: {error}")
    touched = [
        f"{change.path} ({change.word})"
        for change in changes(tree.read(brief.seed_program), files)
        if is_protected(brief.tree, change.path)
    ]
    if not touched:
        return None
    return Failure(FailureKind.CHECK, f"protected: these files must stay as they are: {', '.join(touched[:10])}")


def shown(code: str, brief: Brief, max_chars: int, *, with_protected: bool = True) -> str:
    """A candidate for a prompt: a tree with its protected files marked, what does not fit named at the end.

    The files that may be changed come before protected ones where there is not room for all.
    """
    if brief.tree is None or not tree.is_tree(code):
        return code
    try:
        files = tree.read(code)
    except TreeError:
        return code
    marks = {path: PROTECTED if is_protected(brief.tree, path) else "" for path in files}
    texts = {path: tree.written(path, content, marks[path]) for path, content in files.items()}
    wanted = [path for path in files if with_protected or not marks[path]]
    fit = _fitting(texts, sorted(wanted, key=lambda path: (marks[path], path)), max_chars)
    left_out = [f"{path} {marks[path]}".strip() for path in files if path in wanted and path not in fit]
    note = f"[left out here, and part of it all the same: {', '.join(left_out)}]" if left_out else ""
    return "".join(texts[path] for path in files if path in fit) + note


def of_folder(folder: Path) -> str:
    """The text of a folder. Hidden files and compiled ones are no part of it. Raises TreeError, OSError."""
    return tree.write(dict(_read(folder, folder)))


def to_folder(code: str, folder: Path) -> list[str]:
    """Write a candidate's files, a tree or a single program, below a folder; returns their names. Raises TreeError."""
    files = tree.files_of(code)
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8", newline="")
    return list(files)


def _read(folder: Path, root: Path) -> Iterator[tuple[str, str]]:
    for count, entry in enumerate(sorted(os.scandir(folder), key=lambda each: each.name)):
        name = Path(entry.path).relative_to(root).as_posix()
        if entry.name.startswith(".") or entry.name == "__pycache__" or entry.name.endswith(".pyc"):
            continue
        if count >= 10 * tree.MOST_FILES:
            raise TreeError(f"{folder} has more than {10 * tree.MOST_FILES} entries")
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise TreeError(f"{name} is a link or no file at all: a tree holds plain files")
        tree.check_path(name)  # before going deeper
        if entry.is_dir():
            yield from _read(Path(entry.path), root)
        else:
            yield name, _text(Path(entry.path), name)


def _text(file: Path, name: str) -> str:
    if file.stat().st_size > tree.MOST_FILE_KB * 1024:
        raise TreeError(f"{name} has {file.stat().st_size / 1024:.0f} KB, allowed are {tree.MOST_FILE_KB} KB")
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise TreeError(f"{name} is no text in UTF-8: {error.reason} at byte {error.start}") from None


def _fitting(texts: Mapping[str, str], order: list[str], max_chars: int) -> frozenset[str]:
    room = max_chars if sum(len(texts[path]) for path in order) <= max_chars else int(max_chars * 0.9)  # for the note
    fit = set[str]()
    for path in order:
        if len(texts[path]) <= room:
            fit.add(path)
            room -= len(texts[path])
    return frozenset(fit)


def _lines(content: str | None) -> list[str]:
    if not content:
        return []
    return content[:-1].split("\n") if content.endswith("\n") else [*content.split("\n"), NO_NEWLINE]


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern + ("**" if pattern.endswith("/") else ""))
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(signs.get(part) or re.escape(part) for part in parts))
