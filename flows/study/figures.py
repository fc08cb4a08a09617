"""The figures of a study, as the paper's Figs. 3 to 5: best so far by round, by what was spent, and the final bests.

Lines are means over the seeds, bands Student's 95% interval of that mean at each point. Pure: curves in, PNG out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from flows.report.figures.canvas import INK, MUTED, drawn, say, tidy, whole_rounds
from flows.study.ledger import Curve
from flows.study.results import finals, title_of
from flows.study.settings import UNIT_NAMES, StudySettings
from tasks.trust.arms import interval
from tasks.trust.curves import best_at, best_by_round

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's colours, told apart with any colour vision (https://jfly.uni-koeln.de/color/); black for the first.
COLOURS = ("#111111", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES = ("-", "--", "-.", ":")
POINTS = 200


def figures(study: StudySettings, curves: Sequence[Curve], metric: str) -> dict[str, bytes]:
    """By file name. Only complete cells are drawn."""
    complete = [curve for curve in curves if curve.is_complete and curve.baseline is not None]
    return {
        "over_rounds.png": _drawn(study, complete, metric, _over_rounds),
        "over_budget.png": _drawn(study, complete, metric, _over_budget),
        "finals.png": _drawn(study, complete, metric, _finals),
    }


Fill = Callable[["Axes", StudySettings, Sequence[Curve]], None]


def _drawn(study: StudySettings, curves: Sequence[Curve], metric: str, fill: Fill) -> bytes:
    def on(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.set_title(title_of(study), loc="left", fontsize=10, color=INK)
        if not curves:
            say(axes, "no cell is complete yet")
            return
        fill(axes, study, curves)
        axes.set_ylabel(metric)

    return drawn(7.2, 4.4, "png", on)


def _over_rounds(axes: Axes, study: StudySettings, curves: Sequence[Curve]) -> None:
    """Up to the round that every cell has: beyond it the mean would be over other cells."""
    last = min(len(curve.points) for curve in curves)

    def values(curve: Curve) -> list[float]:
        best = best_by_round(curve.steps("rounds")[:last], curve.baseline or 0.0)
        return [*best, best[-1]]

    _bands(axes, study, curves, [*map(float, range(last + 1)), last + 0.5], values)  # room for the last round's step
    whole_rounds(axes)


def _over_budget(axes: Axes, study: StudySettings, curves: Sequence[Curve]) -> None:
    budget = study.budget
    xs = [budget.amount * k / POINTS for k in range(POINTS + 1)]

    def values(curve: Curve) -> list[float]:
        steps = curve.steps(budget.unit)
        return [best_at(steps, curve.baseline or 0.0, x) for x in xs]

    _bands(axes, study, curves, xs, values)
    axes.set_xlabel(f"{UNIT_NAMES[budget.unit]} spent by a cell")


def _bands(
    axes: Axes, study: StudySettings, curves: Sequence[Curve], xs: list[float], values: Callable[[Curve], list[float]]
) -> None:
    lowest, highest = [], []
    for arm, colour, dash in zip(study.arms, cycle(COLOURS), cycle(DASHES), strict=False):
        rows = [values(curve) for curve in curves if curve.arm == arm.name]
        if not rows:
            continue
        columns = list(zip(*rows, strict=True))
        means = [sum(column) / len(column) for column in columns]
        ends = [interval(column) or (mean, mean) for column, mean in zip(columns, means, strict=True)]
        low, high = [low for low, _ in ends], [high for _, high in ends]
        label = f"{arm.name} ({len(rows)})"
        axes.fill_between(xs, low, high, step="post", color=colour, alpha=0.07, linewidth=0, zorder=1)
        for edge in (low, high):
            axes.step(xs, edge, where="post", color=colour, linestyle=dash, linewidth=0.6, alpha=0.55, zorder=2)
        axes.step(xs, means, where="post", color=colour, linestyle=dash, linewidth=2.2, label=label, zorder=3)
        lowest.append(min(means))
        highest.append(max(high))
    room = max(highest) - min(lowest) or 1.0
    axes.set_ylim(min(lowest) - 0.02 * room, max(highest) + 0.02 * room)
    axes.set_xlim(0, xs[-1])
    tidy(axes)
    axes.figure.legend(
        loc="outside lower left", frameon=False, fontsize=8.5, ncols=4, title_fontsize=8, alignment="left",
        title="mean over seeds (how many); thin lines: 95% interval of the mean",
    )  # fmt: skip


def _finals(axes: Axes, study: StudySettings, curves: Sequence[Curve]) -> None:
    """Every cell as a dot, the arm's mean as a bar with its interval."""
    for place, (arm, colour) in enumerate(zip(study.arms, cycle(COLOURS), strict=False)):
        values = list(finals(study, [curve for curve in curves if curve.arm == arm.name]).values())
        if not values:
            continue
        mean = sum(values) / len(values)
        low, high = interval(values) or (mean, mean)
        spread = [place - 0.22 + 0.16 * (k % 5) / 4 for k in range(len(values))]
        axes.scatter(spread, values, s=24, color=colour, alpha=0.65, linewidths=0, zorder=3)
        axes.errorbar(
            place + 0.12, mean, yerr=[[mean - low], [high - mean]], fmt="_", color=colour, markersize=16,
            markeredgewidth=2.2, capsize=4, elinewidth=1.4, zorder=4,
        )  # fmt: skip
        axes.annotate(f"{mean:.4g}", (place + 0.24, mean), va="center", fontsize=9, color=colour)
    axes.set_xticks(range(len(study.arms)), [arm.name for arm in study.arms])
    axes.set_xlim(-0.5, len(study.arms) - 0.3)
    axes.set_xlabel("dots: cells; bars: mean and its 95% interval", color=MUTED, fontsize=9)
    tidy(axes)
