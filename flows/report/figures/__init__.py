"""The report's figures: pure functions from records to PNG or SVG bytes, drawn without a display."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from flows.report.figures import cost, fitness, front, lineage, outcomes
from flows.report.records import Report

#: Names of the figures, in the order of the report.
NAMES = ("fitness", "front", "lineage", "outcomes", "cost")
_DRAW = {
    "fitness": fitness.draw,
    "front": front.draw,
    "lineage": lineage.draw,
    "outcomes": outcomes.draw,
    "cost": cost.draw,
}


def draw(report: Report) -> Iterator[tuple[str, bytes]]:
    """Names, without the ending, and contents as PNG."""
    for name in NAMES:
        if name != "front" or report.front:
            yield name, one(report, name, "png")


def one(report: Report, name: str, kind: Literal["png", "svg"]) -> bytes:
    """One figure."""
    return _DRAW[name](report, kind)
