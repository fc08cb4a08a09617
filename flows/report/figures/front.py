"""The Pareto front: each further objective against the first, the front marked among all scored candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flows.report.figures.canvas import ACCENT, FAINT, LINE, MUTED, drawn, label, say
from flows.report.records import FrontPoint, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Panels, so objectives less one; the table has the others.
MOST_PANELS = 4


def draw(report: Report, kind: str) -> bytes:
    """The picture as PNG or SVG bytes."""
    panels = min(MOST_PANELS, len(report.goal.objectives) - 1)

    def fill(figure: Figure) -> None:
        if not report.front or panels < 1:
            say(figure.add_subplot(), "there is nothing to weigh against each other")
            return
        columns = min(2, panels)
        grid = figure.subplots((panels + columns - 1) // columns, columns, squeeze=False).flat
        for place, axes in enumerate(grid):
            if place < panels:
                _panel(axes, report, place + 1)
            else:
                axes.set_axis_off()
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", frameon=False, fontsize=8, ncols=4)

    return drawn(8.6, 2.0 if panels < 1 else 3.6 * ((panels + 1) // 2), kind, fill)


def _panel(axes: Axes, report: Report, second: int) -> None:
    first, other = report.goal.objectives[0], report.goal.objectives[second]
    for points, style in _groups(report.front):
        if points:
            axes.scatter([p.values[second] for p in points], [p.values[0] for p in points], **style)
    best = next((point for point in report.front if report.best and point.id == report.best.id), None)
    if best is not None:
        place = (best.values[second], best.values[0])
        axes.annotate("best", place, xytext=(6, 6), textcoords="offset points", color=LINE, fontsize=8)
    for objective, set_label in ((other, axes.set_xlabel), (first, axes.set_ylabel)):
        better = "higher" if objective.goal == "max" else "lower"
        set_label(f"{label(objective.metric, 36)} ({better} is better)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=FAINT, linewidth=0.4)
    axes.set_axisbelow(True)


def _groups(points: Sequence[FrontPoint]) -> list[tuple[list[FrontPoint], dict[str, Any]]]:
    """In the order of drawing."""
    rest = [point for point in points if not point.is_on_front]
    on = [point for point in points if point.is_on_front]
    return [
        (rest, {"s": 16, "color": MUTED, "alpha": 0.6, "label": f"others ({len(rest)})"}),
        ([p for p in on if not p.unranked], {"s": 34, "color": LINE, "label": f"on the front ({len(on)})"}),
        (
            [p for p in on if p.unranked],
            {
                "s": 38,
                "marker": "D",
                "facecolors": "none",
                "edgecolors": ACCENT,
                "label": "on the front, in no ranking",
            },
        ),
    ]
