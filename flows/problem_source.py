"""A problem's own files: one hash over all of them, and which of them make its measure.

They are the folder that the problem's class lies in, or for a problem named `module:Class` that module's file alone.
The measure is what a score comes from: the judge, what runs in the sandbox, the data, and the seed program, which was
measured as the baseline. What proposers are told (the brief, cognition items, blocks) is no part of it, nor are notes,
tests and, of shipped problems, what exports their results; but notes and tests are, once a Python file of the measure
imports them or has their name as a text. Of a Python file the comments and docstrings do not count.

Not seen: modules that problems share (of shipped ones the folders of their base classes are), installed packages, and
data that lies elsewhere.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from flows import registry
from tasks.contract import Domain

#: Larger files count by their size in `source_of`: data that nobody edits by hand.
MOST_BYTES = 4_000_000
#: Larger ones count by their size and their ends in the measure.
MOST_DATA_BYTES = 256_000_000
_END_BYTES = 1_000_000
_SKIPPED = frozenset({"__pycache__", ".git", ".nightshift", ".pytest_cache", ".mypy_cache", ".ruff_cache"})
#: What proposers are told, by the first part of its name.
_TOLD = frozenset({"brief.md", "cognition.jsonl", "cognition", "blocks"})
#: The seed program counts as the text that it is in the end (SEED).
_SEED_FILES = frozenset({"seed.py", "seed", "seed_program.py"})
_NOTES = ("*.md", "*.txt~", "*~", "test_*.py", "LICENSE*", ".*")
#: Parts of shipped problems that no score depends on.
_AROUND = frozenset({"exporting", "gallery", "knowledge.py", "drawing.py", "best_known.py"})
SEED = "the seed program"


@dataclass(frozen=True, slots=True)
class Files:
    """Hashes by name: of what makes the measure, and of what proposers are told."""

    measure: dict[str, str]
    told: dict[str, str]


def source_of(problem: str, domain: Domain) -> str:
    """The hash of all of the problem's files. `problem` is the name under which it was loaded."""
    file = _file_of(type(domain))
    return hashed([file] if ":" in problem else files_of(file.parent), file.parent)


def parts_of(problem: str, domain: Domain) -> Files:
    """The problem's files, those of its measure and those that are told."""
    file = _file_of(type(domain))
    seed = {SEED: hashlib.sha256(domain.brief().seed_program.encode()).hexdigest()}
    if ":" in problem:
        return Files(seed | {file.name: _content_hash(file)}, {})
    shipped = problem in registry.BUILT_IN
    measure, told = dict(seed), dict[str, str]()
    for folder in [file.parent, *(_shared(type(domain)) if shipped else ())]:
        files = {path: path.relative_to(folder).parts for path in files_of(folder)}
        files = {p: n for p, n in files.items() if n[0] not in _SEED_FILES and not (shipped and n[0] in _AROUND)}
        beside = {path for path, name in files.items() if _is_note(name) or _is_run(path, name)}
        named = _named(path for path, name in files.items() if path not in beside and name[0] not in _TOLD)
        for path, name in files.items():
            if path in beside and not {path.name, path.stem if path.suffix == ".py" else path.name} & named:
                continue
            into = told if name[0] in _TOLD else measure
            into[path.relative_to(file.parent.parent).as_posix() if shipped else "/".join(name)] = _content_hash(path)
    return Files(measure, told)


def _file_of(kind: type) -> Path:
    return Path(inspect.getfile(kind)).resolve()


def _shared(kind: type) -> list[Path]:
    """The folders of a shipped problem's base classes; the contract's own and problems/folder are the engine's."""
    top = kind.__module__.split(".")[0]
    bases = [base for base in kind.__mro__[1:] if base.__module__.split(".")[0] == top]
    return [_file_of(base).parent for base in bases if not base.__module__.startswith("problems.folder")]


def _is_note(name: tuple[str, ...]) -> bool:
    """A file that nothing reads: notes at the top, tests, what editors leave behind."""
    if len(name) == 1 and name[0] not in _TOLD:
        return any(fnmatch(name[0], pattern) for pattern in _NOTES)
    return any(part.startswith(".") or part.endswith("~") for part in name)


def _is_run(path: Path, name: tuple[str, ...]) -> bool:
    """A campaign's or a study's file that lies with the problem: its settings are compared on their own."""
    if len(name) > 1 or path.suffix != ".toml":
        return False
    try:
        return not {"problem", "campaign"}.isdisjoint(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return False


def _named(files: Iterable[Path]) -> set[str]:
    """Modules that these files import, by the last part of their names, and the last parts of paths in their texts."""
    found = set[str]()
    for path in files:
        tree = _without_docstrings(path.read_bytes()) if path.suffix == ".py" else None
        for node in [] if tree is None else ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                found |= {alias.name.rpartition(".")[2] for alias in node.names}
                found.add((getattr(node, "module", "") or "").rpartition(".")[2])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value.rpartition("/")[2])
    return found


def files_of(folder: Path) -> list[Path]:
    """Every file of a problem's folder but caches, in a fixed order."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(path for path in found if not _SKIPPED & set(path.relative_to(folder).parts))


def hashed(files: list[Path], folder: Path) -> str:
    """One hash over names and contents."""
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MOST_BYTES else str(size).encode()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _content_hash(path: Path) -> str:
    """Of its bytes; of a Python file, after a space, also of what is run: either being the same is enough."""
    if path.suffix == ".py":
        content = path.read_bytes()
        return " ".join([hashlib.sha256(content).hexdigest(), *what_runs(content)])
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= MOST_DATA_BYTES:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(str(size).encode() + file.read(_END_BYTES))
        file.seek(-_END_BYTES, io.SEEK_END)
        digest.update(file.read())
        return digest.hexdigest()


def is_same(one: str, other: str) -> bool:
    """Whether two hashes are of the same content: to the byte, or of Python files that run the same."""
    return not set(one.split()).isdisjoint(other.split())


def what_runs(source: bytes) -> list[str]:
    r"""The hash of a Python file without comments, docstrings and layout; none if it does not parse.

    It depends on the version of Python, so it is never the only one.

    >>> what_runs(b'"About it."\nx = 1  # one\n') == what_runs(b'x = (1)') != what_runs(b'x = 2')
    True
    """
    tree = _without_docstrings(source)
    return [] if tree is None else [hashlib.sha256(ast.dump(tree).encode()).hexdigest()]


def _without_docstrings(source: bytes) -> ast.Module | None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return tree
