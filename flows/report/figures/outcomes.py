"""How the rounds ended: a bar per kind, coloured by whose fault it was, and when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flows.report.figures.canvas import GROUP_COLOURS, INK, drawn, say, tidy, whole_rounds
from flows.report.records import Group, Report
from flows.report.words import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEGEND: dict[Group, str] = {
    "scored": "scored",
    "candidate": "the candidate failed",
    "proposal": "the proposal was refused",
    "machine": "our machine's fault",
    "unfinished": "not finished",
}
#: The right half counts rounds in at most this many bars.
BARS = 14


def draw(report: Report, kind: str) -> bytes:
    """The picture as PNG or SVG bytes."""

    def fill(figure: Figure) -> None:
        if not report.rounds:
            say(figure.add_subplot(), "no round has ended yet")
            return
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
        _bars(left, report)
        _over_time(right, report)
        handles, labels = right.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", frameon=False, fontsize=8, ncols=5)

    return drawn(8.6, 0.9 + max(2.0, 0.3 * len(report.outcomes)), kind, fill)


def _bars(axes: Axes, report: Report) -> None:
    counts = report.outcomes
    places = range(len(counts))
    bars = axes.barh(places, [one.count for one in counts], color=[GROUP_COLOURS[one.group] for one in counts])
    total = sum(one.count for one in counts)
    axes.bar_label(bars, [f" {one.count} ({one.count / total:.0%})" for one in counts], color=INK, fontsize=8)
    axes.set_yticks(places, [shown(one.name) for one in counts])
    axes.set_xlim(0, 1.35 * max(one.count for one in counts))
    axes.set_ylim(max(len(counts), 3) - 0.4, -0.6)  # the first on top, and bars no thicker than three would be
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(length=0)


def _over_time(axes: Axes, report: Report) -> None:
    indices: dict[Group, list[int]] = {group: [] for group in _LEGEND}
    for line in report.rounds:
        if line.index > 0:
            indices[line.group].append(line.index)
    if not any(indices.values()):
        say(axes, "only the baseline so far")
        return
    present = [group for group in _LEGEND if indices[group]]
    last = max(line.index for line in report.rounds)
    step = rounds_per_bar(last)
    edges = [start + 0.5 for start in range(0, last + step, step)]
    axes.hist(
        [indices[group] for group in present],
        bins=edges,
        stacked=True,
        color=[GROUP_COLOURS[group] for group in present],
        label=[_LEGEND[group] for group in present],
        edgecolor="white",
        linewidth=0.5,
    )
    axes.set_ylabel("rounds" if step == 1 else f"rounds, by {step}")
    _whole_counts(axes)
    tidy(axes)
    whole_rounds(axes)


def rounds_per_bar(rounds: int) -> int:
    """1, 2 or 5 times a power of ten.

    >>> rounds_per_bar(9), rounds_per_bar(41), rounds_per_bar(3000)
    (1, 5, 500)
    """
    steps: Iterator[int] = (step * int(10**power) for power in range(9) for step in (1, 2, 5))
    return next(step for step in steps if rounds <= step * BARS)


def _whole_counts(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4, min_n_ticks=1))
