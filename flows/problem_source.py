"""A hash of a problem's own files: the same problem, the same hash, on any machine.

It covers the folder that the problem's class lies in, or for a problem named `module:Class` that module's file alone.
Installed packages and modules shared between problems are not in it.
"""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

from tasks.contract import Domain

#: Larger files count by their size: data that nobody edits by hand.
MOST_BYTES = 4_000_000
_SKIPPED = frozenset({"__pycache__", ".git", ".nightshift", ".pytest_cache", ".mypy_cache", ".ruff_cache"})


def source_of(problem: str, domain: Domain) -> str:
    """The hash of the problem's files. `problem` is the name under which it was loaded."""
    file = Path(inspect.getfile(type(domain))).resolve()
    return hashed([file] if ":" in problem else files_of(file.parent), file.parent)


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
