"""Loads a candidate's file as a module. It runs the candidate's top-level code."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any


def loaded(path: str) -> Any:
    """The module. Raises ImportError, AttributeError, or whatever its top level raises."""
    spec = importlib.util.spec_from_file_location("candidate", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = sys.modules["candidate"] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    for name in ("advantages", "policy_loss"):
        if not callable(getattr(module, name, None)):
            raise AttributeError(f"the program defines no function {name}")
    return module
