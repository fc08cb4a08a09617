"""Test adapter: runs the candidate and calls its `main(request)`."""

from __future__ import annotations

import ctypes
import runpy
from typing import Any

PR_SET_NAME = 15


def main(candidate_path: str, request: Any) -> Any:
    return runpy.run_path(candidate_path)["main"](request)


def named(candidate_path: str, request: tuple[str, Any]) -> Any:
    """The process gets a name first, which its children inherit, so that leftovers can be found."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, request[0].encode(), 0, 0, 0)
    return main(candidate_path, request[1])
