"""Runs inside the sandbox: imports the candidate, calls its entry function, hands the answer out as plain JSON.

It judges nothing. Arrays become lists; what JSON cannot hold (NaN, fractions, objects) becomes text, which the judge
outside reads or refuses.
"""

from __future__ import annotations

import importlib.util
import math
from typing import Any

DEPTH, MOST_ENTRIES, MOST_CHARACTERS = 16, 1_000_000, 10_000


def call(candidate_path: str, request: dict[str, Any]) -> Any:
    """The answer of the candidate's `request["entry"]`, called with `request["arguments"]` by name."""
    spec = importlib.util.spec_from_file_location("candidate", candidate_path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {candidate_path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return plain(getattr(module, request["entry"])(**request["arguments"]), DEPTH)


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
