"""A problem's own files: one hash over all of them, and which of them make its measure.

They are the folder that the problem's class lies in, or for a problem named `module:Class` that module's file and those
beside it that it imports or names. The measure is what a score comes from: the judge, what runs in the sandbox, the
data, and the seed program, which was measured as the baseline. What proposers are told (the brief, cognition items,
blocks) is no part of it, nor are notes, tests and, of shipped problems, what exports their results; but they are, once
a Python file of the measure imports them or has their name as a text. Of a Python file the comments and docstrings do
not count, unless something reads them (flows/problem_reads.py).

Not seen: modules that problems share (of shipped ones the folders of their base classes are), installed packages, data
that lies elsewhere, and names that are put together while a program runs.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import os
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from flows import registry
from flows.problem_reads import Reads, reads_of, what_runs
from tasks.contract import Domain

#: Larger files count by their size in `source_of`: data that nobody edits by hand.
MOST_BYTES = 4_000_000
#: Larger ones count by their size and their ends in the measure.
MOST_DATA_BYTES = 256_000_000
_END_BYTES = 1_000_000
_SKIPPED = frozenset({"__pycache__", ".git", ".nightshift", ".pytest_cache", ".mypy_cache", ".ruff_cache"})
_TOLD = frozenset({("brief.md",), ("cognition.jsonl",)})
#: And of these folders the files of this kind: what tasks/knowledge.py reads. Anything else in them is data.
_TOLD_IN = {"cognition": ".jsonl", "blocks": ".py"}
#: The seed program counts as the text that it is in the end (SEED).
_SEED_FILES = frozenset({"seed.py", "seed", "seed_program.py"})
_NOTES = ("*.md", "*.txt~", "*~", "test_*.py", "LICENSE*", ".*")
#: Parts of shipped problems that no score depends on.
_AROUND = frozenset({"exporting", "gallery", "knowledge.py", "drawing.py", "best_known.py", "cheats.py"})
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
        beside = _beside(file)
        reads = reads_of(beside)
        return Files(seed | {p.relative_to(file.parent).as_posix(): _content_hash(p, reads) for p in beside}, {})
    shipped = problem in registry.BUILT_IN
    measure, told = dict(seed), dict[str, str]()
    for folder in [file.parent, *(_shared(type(domain)) if shipped else ())]:
        files = {path: path.relative_to(folder).parts for path in files_of(folder)}
        files = {p: n for p, n in files.items() if n[0] not in _SEED_FILES and not (shipped and n[0] in _AROUND)}
        notes = {path for path, name in files.items() if _is_note(name) or _is_run(path, name)}
        reads = reads_of(path for path, name in files.items() if path not in notes and not _is_told(name))
        of_texts = Reads() if shipped else reads  # no shipped judge reads a docstring, a source or a block
        for path, name in files.items():
            if path in notes and not reads.has(path):
                continue
            into = told if _is_told(name) and not of_texts.imports_part(name) else measure
            label = path.relative_to(file.parent.parent).as_posix() if shipped else "/".join(name)
            into[label] = _content_hash(path, of_texts)
    return Files(measure, told)


def _is_told(name: tuple[str, ...]) -> bool:
    if len(name) == 2 and name[0] in _TOLD_IN:
        return name[1].endswith(_TOLD_IN[name[0]]) and not _is_note(name)
    return name in _TOLD


def _beside(file: Path) -> list[Path]:
    """A module's file, and those in its folder, or a folder beside it, that it imports or names, and so on."""
    near = [path for path in file.parent.iterdir() if path.is_file()]
    inner = [path for folder in file.parent.iterdir() if folder.is_dir() for path in folder.iterdir() if path.is_file()]
    found = [file]
    for path in found:  # it grows
        reads = reads_of([path])
        read = [other for other in near if reads.has(other)]
        read += [other for other in inner if reads.has(other) and reads.names(other.parent.name)]
        found += [other for other in read if other not in found]
    return sorted(found)


def _file_of(kind: type) -> Path:
    return Path(inspect.getfile(kind)).resolve()


def _shared(kind: type) -> list[Path]:
    """The folders of a shipped problem's base classes; the contract's own and problems/folder are the engine's."""
    top = kind.__module__.split(".")[0]
    bases = [base for base in kind.__mro__[1:] if base.__module__.split(".")[0] == top]
    return [_file_of(base).parent for base in bases if not base.__module__.startswith("problems.folder")]


def _is_note(name: tuple[str, ...]) -> bool:
    """A file that nothing reads: notes at the top and among what is told, tests, what editors leave behind."""
    if (len(name) == 1 and name not in _TOLD) or (len(name) == 2 and name[0] in _TOLD_IN):
        return any(fnmatch(name[-1], pattern) for pattern in _NOTES)
    return any(part.startswith(".") or part.endswith("~") for part in name)


def _is_run(path: Path, name: tuple[str, ...]) -> bool:
    """A campaign's or a study's file that lies with the problem: its settings are compared on their own."""
    if len(name) > 1 or path.suffix != ".toml":
        return False
    try:
        return not {"problem", "campaign"}.isdisjoint(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return False


def files_of(folder: Path) -> list[Path]:
    """Every file of a problem's folder but caches, in a fixed order; folders that are linked to are entered once."""
    found, entered = [], set[str]()
    for place, folders, names in os.walk(folder, followlinks=True):
        entered.add(os.path.realpath(place))
        folders[:] = [
            name
            for name in sorted(folders)
            if name not in _SKIPPED and os.path.realpath(Path(place, name)) not in entered
        ]
        found += [path for name in names if (path := Path(place, name)).is_file() and name not in _SKIPPED]
    return sorted(found)


def hashed(files: list[Path], folder: Path) -> str:
    """One hash over names and contents."""
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MOST_BYTES else str(size).encode()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _content_hash(path: Path, reads: Reads) -> str:
    """Of its bytes; of a Python file, after a space, also of what is run: either being the same is enough."""
    if path.suffix == ".py":
        content = path.read_bytes()
        runs = [] if reads.sees_text_of(path) else what_runs(content, docstrings=reads.docstrings)
        return " ".join([hashlib.sha256(content).hexdigest(), *runs])
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
