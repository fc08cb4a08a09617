"""Programs of people, as candidates write them: DrugBAN (the seed program) and two towers. Read as text."""

from __future__ import annotations

from pathlib import Path

NAMES = ("drugban", "two_towers")


def program(name: str) -> str:
    """The source of a reference."""
    return (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
