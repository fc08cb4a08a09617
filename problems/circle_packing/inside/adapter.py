"""Runs inside the sandbox: imports the candidate, calls its `pack`, and hands the numbers out as plain JSON.

It judges nothing. Floats leave as JSON numbers (Python writes them so that they read back exactly); what JSON
cannot hold (NaN, infinities, fractions) leaves as text, which the referee outside reads or refuses with a reason.
"""

from __future__ import annotations

import importlib.util
import math
import os
from types import ModuleType
from typing import Any

MOST_ROWS = 100_000  # the referee counts exactly; this only keeps the answer small


def pack(candidate_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """The answer of the candidate's `pack`, as nested lists of numbers and short strings."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # numpy would start one thread per core, each against the CPU limit
    answer = load(candidate_path).pack(**request)
    return {"circles": plain(answer, 2)}


def load(candidate_path: str) -> ModuleType:
    """The candidate as a module."""
    spec = importlib.util.spec_from_file_location("candidate", candidate_path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {candidate_path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain(value: Any, depth: int) -> Any:
    """Lists, numbers and text only; numpy's arrays and scalars become Python's."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple) and depth > 0:
        return [plain(entry, depth - 1) for entry in value[:MOST_ROWS]]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return str(value)[:100]
