"""Runs inside the sandbox: imports the candidate, calls its entry function, hands the answer out as plain JSON.

A candidate of several files comes as names and texts, which trusted code has read and checked before; they are laid out
in the job's scratch, and the entry is imported from there.

It judges nothing. Arrays become lists; what JSON cannot hold (NaN, fractions, objects) becomes text, which the judge
outside reads or refuses.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

DEPTH, MOST_ENTRIES, MOST_CHARACTERS = 16, 1_000_000, 10_000


def call(candidate_path: str, request: dict[str, Any]) -> Any:
    """The answer of the candidate's `request["entry"]`, called with `request["arguments"]` by name.

    `request["files"]` are those of a candidate with several, its entry then `package.module:function`; else None.
    """
    function = (
        _of_file(candidate_path, request["entry"])
        if request["files"] is None
        else _of_tree(Path(candidate_path).parent / "files", request["files"], request["entry"])
    )
    return plain(function(**request["arguments"]), DEPTH)


def _of_tree(folder: Path, files: dict[str, str], entry: str) -> Any:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
    tops = {name.partition("/")[0].removesuffix(".py") for name in files}
    for loaded in [each for each in sys.modules if each.partition(".")[0] in tops]:
        del sys.modules[loaded]  # a module of ours, or one that is installed: here the candidate's own is meant
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    module, _, function = entry.partition(":")
    return getattr(importlib.import_module(module), function)


def _of_file(candidate_path: str, entry: str) -> Any:
    spec = importlib.util.spec_from_file_location("candidate", candidate_path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {candidate_path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, entry)


def plain(value: Any, depth: int) -> Any:
    """Numbers, text, lists and dictionaries only."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict) and depth > 0:
        return {str(key): plain(entry, depth - 1) for key, entry in list(value.items())[:MOST_ENTRIES]}
    if isinstance(value, list | tuple) and depth > 0:
        return [plain(entry, depth - 1) for entry in value[:MOST_ENTRIES]]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return str(value)[:MOST_CHARACTERS]
