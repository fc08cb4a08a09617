r"""A candidate of several files as one text. Pure: nothing here reads a disk or runs anything.

    === nightshift tree 1
    === file: package/module.py
    the file's lines
    === file: notes.txt (no newline at the end)
    the last line

Files stand in the order of their names. A line of a file that looks like a header (`=== file: `, with any small word
in place of `file`) gets a backslash in front, one more if it has some already. A tree has exactly one such text, and
`read(write(files)) == files`, so that hashes, diffs and caches of text hold for trees. No Python program begins like
this, so a tree cannot be taken for one or the other way round.

`sections` reads what a person or a model wrote in the same manner; `read` takes only what `write` gives.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAGIC = "=== nightshift tree 1"
#: What a program of one file is called where it is treated like a tree.
ONE_FILE = "program.py"
MOST_FILES, MOST_FILE_KB, MOST_PATH_CHARS, MOST_FOLDERS = 200, 512, 200, 8

_UNENDED = "(no newline at the end)"
_HEADER = re.compile(r"=== ([a-z ]+): (\S+)((?: \([a-z ]+\))*)[ \t]*")
_LIKE_HEADER = re.compile(r"\\*=== [a-z ]+: ")
_SEGMENT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.+-]*[A-Za-z0-9_+-])?")
_COMPILED = (".pyc", ".pyo", ".pyd", ".so", ".dll", ".dylib")


class TreeError(ValueError):
    """The text is no tree, or a file's name or content is refused; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Section:
    """A header and the lines below it, without the backslashes."""

    kind: str  # "file", or what else stands before the colon
    path: str
    lines: tuple[str, ...]
    is_unended: bool = False

    @property
    def content(self) -> str:
        """The file's text."""
        return "\n".join(self.lines) + ("" if self.is_unended or not self.lines else "\n")


def is_tree(code: str) -> bool:
    """Whether a candidate's text is meant as a tree; `read` says whether it is one.

    >>> is_tree("=== nightshift tree 1\\n"), is_tree("x = 1\\n")
    (True, False)
    """
    return code.startswith(MAGIC + "\n")


def write(files: Mapping[str, str]) -> str:
    r"""The one text of these files. Raises TreeError.

    >>> write({"b.txt": "no end", "a.py": "x = 1\n"})
    '=== nightshift tree 1\n=== file: a.py\nx = 1\n=== file: b.txt (no newline at the end)\nno end\n'
    """
    check_names(files)
    parts = [f"{MAGIC}\n"]
    for path in sorted(files):
        _check_content(path, files[path])
        parts.append(written(path, files[path]))
    return "".join(parts)


def written(path: str, content: str, note: str = "") -> str:
    """One file with its header, as it stands in a tree; with a note behind its name for readers."""
    ended = content.endswith("\n") or not content
    header = " ".join(part for part in (f"=== file: {path}", note, "" if ended else _UNENDED) if part)
    lines = content.removesuffix("\n").split("\n") if content else []
    return "".join(f"{line}\n" for line in (header, *map(_escaped, lines)))


def read(code: str) -> dict[str, str]:
    """The files, by name. Raises TreeError unless the text is exactly what `write` gives for them."""
    if not is_tree(code):
        raise TreeError(f"a candidate of several files begins with the line {MAGIC!r}")
    found = sections(code[len(MAGIC) + 1 :])
    check_names([section.path for section in found])
    files = {section.path: section.content for section in found}
    if write(files) != code:
        raise TreeError("the tree is not written in its one form: files in order, nothing between, ends marked")
    return files


def files_of(code: str) -> dict[str, str]:
    """The files of any candidate; a program of one file is called program.py. Raises TreeError.

    >>> files_of("x = 1\\n")
    {'program.py': 'x = 1\\n'}
    """
    return read(code) if is_tree(code) else {ONE_FILE: code}


def sections(text: str) -> list[Section]:
    """What stands below each header; what comes before the first is left out. Raises TreeError for a broken header."""
    found: list[Section] = []
    kind = path = ""
    lines, is_unended = list[str](), False
    for number, line in enumerate([*text.removesuffix("\n").split("\n"), None], start=1):
        if line is not None and not (_LIKE_HEADER.match(line) and line.startswith("=")):
            lines.append(_unescaped(line))
            continue
        if kind:
            found.append(Section(kind, path, tuple(lines), is_unended))
        if line is not None:
            kind, path, is_unended = _header(line, number)
            lines = []
    return found


def check_names(paths: Iterable[str]) -> None:
    """Raises TreeError for a name that a tree must not have, or two that do not go together."""
    known = list(paths)
    if not known:
        raise TreeError("a tree has at least one file")
    if len(known) > MOST_FILES:
        raise TreeError(f"{len(known)} files, allowed are {MOST_FILES}")
    for path in known:
        check_path(path)
    for one, other in itertools.pairwise(sorted(known, key=str.casefold)):
        if one.casefold() == other.casefold():
            raise TreeError(
                f"two files are called {one}" + ("" if one == other else f" and {other}, which some disks take for one")
            )
    _check_folders(known)


def check_path(path: str) -> None:
    """Raises TreeError for a name that is no plain relative path of a text file."""
    shown = repr(path[:80])
    if len(path) > MOST_PATH_CHARS or path.count("/") > MOST_FOLDERS:
        raise TreeError(f"{shown}: a name has at most {MOST_PATH_CHARS} characters and {MOST_FOLDERS} folders")
    if path.startswith("/"):
        raise TreeError(f"{shown}: a name is relative to the tree's folder, not absolute")
    parts = path.split("/")
    if ".." in parts:
        raise TreeError(f"{shown}: a name must not lead out of the tree's folder")
    if not all(_SEGMENT.fullmatch(part) for part in parts):
        raise TreeError(
            f"{shown}: a name is made of A-Z a-z 0-9 _ . + - and /, and no part of it begins or ends with a dot"
        )
    if "__pycache__" in parts or path.casefold().endswith(_COMPILED):
        raise TreeError(f"{shown}: compiled files are no part of a tree")


def _check_folders(paths: list[str]) -> None:
    """Nothing is both a file and a folder, or both a module and a package: Python would take only one."""
    folders = {path[:at].casefold() for path in paths for at in range(len(path)) if path[at] == "/"}
    packages = {path[: -len("/__init__.py")].casefold() for path in paths if path.casefold().endswith("/__init__.py")}
    for path in paths:
        if path.casefold() in folders:
            raise TreeError(f"{path} is a file and a folder at once")
        if path.casefold().endswith(".py") and path.casefold()[: -len(".py")] in packages:
            raise TreeError(f"{path} stands beside a package of that name: Python would import only one of them")


def _check_content(path: str, content: str) -> None:
    if "\0" in content:
        raise TreeError(f"{path} holds a null character: files of a tree are text")
    try:
        size = len(content.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise TreeError(f"{path} is no text: {error.reason} at character {error.start}") from None
    if size > MOST_FILE_KB * 1024:
        raise TreeError(f"{path} has {size / 1024:.0f} KB, allowed are {MOST_FILE_KB} KB")


def _escaped(line: str) -> str:
    return f"\\{line}" if _LIKE_HEADER.match(line) else line


def _unescaped(line: str) -> str:
    return line[1:] if _LIKE_HEADER.match(line) else line


def _header(line: str, number: int) -> tuple[str, str, bool]:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise TreeError(
            f"line {number} is no header `=== file: NAME`: {line[:80]!r}; a file's own line that looks like one begins "
            "with a backslash"
        )
    return match[1], match[2], _UNENDED in match[3]
