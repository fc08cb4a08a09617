"""Loads the candidate. Triton has to be imported before, in the mode that is wanted."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any


def load(candidate_path: str) -> Callable[..., Any]:
    """The candidate's `launch`. Raises ImportError, or whatever its module raises."""
    spec = importlib.util.spec_from_file_location("candidate", candidate_path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {candidate_path}")
    module = sys.modules["candidate"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Any] = module.launch
    return found
