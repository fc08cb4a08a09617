"""Comparison with files that hold the exact expected text. `UPDATE_GOLDEN=1 pytest` rewrites them: read the diff."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def assert_golden(name: str, text: str) -> None:
    """The text equals golden/`name`."""
    file = FOLDER / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text, f"{name} differs; if that is meant, run with UPDATE_GOLDEN=1"
