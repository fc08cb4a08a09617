"""The best and its ancestors, one row each, youngest on top, as a version-control log draws its graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from flows.report.figures.canvas import ACCENT, FAINT, INK, MUTED, drawn, label, say
from flows.report.records import Ancestor, Goal, Report
from flows.report.words import score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Rows of a picture that can be read; the table in the report has the others.
MOST_ROWS = 24
ROW_IN = 0.27
#: Ancestors beside the main line share this many columns.
LANES = 4


def draw(report: Report, kind: str) -> bytes:
    """The picture as PNG or SVG bytes."""
    rows = shown(report.lineage)
    left_out = len(report.lineage) - len(rows) + report.lineage_left_out

    def fill(figure: Figure) -> None:
        axes = figure.add_subplot()
        if rows:
            _fill(axes, report.goal, rows, left_out)
        else:
            say(axes, "nothing has a score: there is no lineage to show")

    return drawn(8.6, 0.7 + ROW_IN * max(len(rows) + (left_out > 0), 3), kind, fill)


def shown(lineage: Sequence[Ancestor]) -> list[Ancestor]:
    """The rows: both ends of a long main line, then the youngest of the others; youngest first."""
    main = [one for one in lineage if one.is_main_line]
    if len(main) > MOST_ROWS:
        return [*main[: MOST_ROWS - 1], main[-1]]
    others = [one for one in lineage if not one.is_main_line][: MOST_ROWS - len(main)]
    kept = {one.id for one in (*main, *others)}
    return [one for one in lineage if one.id in kept]


def _fill(axes: Axes, goal: Goal, rows: Sequence[Ancestor], left_out: int) -> None:
    places = _places(rows)
    text_at = max(x for x, _ in places.values()) + 0.6
    for row in rows:
        _edges(axes, row, places)
    _jumps(axes, rows, places)
    for row in rows:
        _node(axes, goal, row, places, text_at)
    if left_out:
        axes.text(text_at, len(rows) + 0.1, f"and {left_out} more", color=MUTED, va="center")
    axes.set_xlim(-0.5, text_at + 9)
    axes.set_ylim(len(rows) + (0.6 if left_out else -0.4), -0.8)
    axes.set_axis_off()
    axes.set_title("What the best was made from (main line filled)", loc="left", fontsize=10, color=INK)


def _places(rows: Sequence[Ancestor]) -> dict[str, tuple[float, float]]:
    """Column and row by id: the main line in column 0, the others take turns beside it."""
    places: dict[str, tuple[float, float]] = {}
    beside = 0
    for number, row in enumerate(rows):
        lane = 0 if row.is_main_line else 1 + beside % LANES
        beside += not row.is_main_line
        places[row.id] = (lane, number)
    return places


def _edges(axes: Axes, row: Ancestor, places: Mapping[str, tuple[float, float]]) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    for position, parent in enumerate(row.made_from):
        if parent not in places:
            continue
        (x, y), (px, py) = places[row.id], places[parent]
        is_main = position == 0 and row.is_main_line
        # Down in the column of the one that is beside the main line, across just before the end: edges stay apart.
        lane = x if x > px else px
        bend = [(x, y), (lane, y + 0.5 if lane != x else y), (lane, py - 0.5 if lane != px else py), (px, py)]
        patch = PathPatch(
            Path(bend, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]) if x != px else Path([(x, y), (px, py)]),
            facecolor="none",
            edgecolor=ACCENT if is_main else FAINT,
            linewidth=1.8 if is_main else 1.1,
            zorder=2 if is_main else 1,
        )
        axes.add_patch(patch)


def _jumps(axes: Axes, rows: Sequence[Ancestor], places: Mapping[str, tuple[float, float]]) -> None:
    """Dots where the main line goes on after rows that are left out."""
    main = [row for row in rows if row.is_main_line]
    for row, older in pairwise(main):
        if older.id not in row.made_from[:1]:
            (x, y), (_, older_y) = places[row.id], places[older.id]
            axes.plot([x, x], [y, older_y], color=ACCENT, linewidth=1.8, linestyle=":", zorder=2)


def _node(axes: Axes, goal: Goal, row: Ancestor, places: Mapping[str, tuple[float, float]], text_at: float) -> None:
    x, y = places[row.id]
    face = ACCENT if row.is_main_line else "white"
    axes.scatter([x], [y], s=34, facecolor=face, edgecolor=ACCENT if row.is_main_line else MUTED, zorder=3)
    columns = (
        f"round {row.round_index}",
        score(row.fitness, row.standard_error),
        _gap(goal, row),
        label(row.proposer, 20),
    )
    for column, text in zip((0, 1.4, 3.6, 5.6), columns, strict=True):
        axes.text(text_at + column, y, text, va="center", color=INK if row.is_main_line else MUTED, fontsize=9)


def _gap(goal: Goal, row: Ancestor) -> str:
    if goal.best_known is None or row.fitness is None:
        return ""
    return f"gap {goal.best_known - row.fitness:.3g}"
