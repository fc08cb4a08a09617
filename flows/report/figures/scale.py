"""The height of a score: itself, or its distance to the best known value on a logarithmic axis.

Scores that differ in the fourth decimal cannot be told apart on a plain axis; their gaps to the best known value can.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.report.figures.canvas import label
from flows.report.records import Goal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A logarithmic axis has no zero. Scores at or beyond the best known value are drawn this much below the smallest gap.
FLOOR_SHARE = 0.3
SMALLEST_GAP = 1e-12
#: A plain axis shows this much of what lies below the first score, in units of what was gained since.
SHOWN_BELOW = 0.6


@dataclass(frozen=True, slots=True)
class Scale:
    """Made for the scores of one picture."""

    goal: Goal
    floor: float  # of gaps, if there is a best known value
    bottom: float | None  # of a plain axis: lower scores are out of the picture; None: show all

    @property
    def is_gap(self) -> bool:
        """True for the logarithmic axis."""
        return self.goal.best_known is not None

    def of(self, fitness: float) -> float:
        """The height of a point."""
        if self.goal.best_known is None:
            return fitness
        return max(self.goal.best_known - fitness, self.floor)

    def is_below(self, fitness: float) -> bool:
        """True if the point is out of the picture."""
        return self.bottom is not None and fitness < self.bottom

    def prepare(self, axes: Axes) -> None:
        """Better is always higher up. To be called when everything is drawn."""
        if self.goal.best_known is None:
            axes.set_ylabel(label(self.goal.metric))
            axes.ticklabel_format(axis="y", useOffset=False)
            if self.bottom is not None:
                axes.set_ylim(bottom=self.bottom)
            return
        axes.set_ylabel(f"gap to best known {label(self.goal.metric, 24)}, {self.goal.best_known:.10g}")
        low, high = sorted(axes.get_ylim())
        axes.set_ylim(high, low)
        ticks = readable_ticks(max(low, self.floor / 2), high)
        axes.set_yticks(ticks, [f"{tick:.3g}" for tick in ticks])
        axes.set_yticks([], minor=True)
        self._scores_on_the_right(axes, ticks)

    def _scores_on_the_right(self, axes: Axes, ticks: Sequence[float]) -> None:
        assert self.goal.best_known is not None
        right = axes.twinx()
        right.set_yscale("log")
        right.set_ylim(axes.get_ylim())
        smallest = min(ticks)
        digits = max(2, min(10, 1 - math.floor(math.log10(smallest))))
        right.set_yticks(ticks, [f"{self.goal.best_known - tick:.{digits}f}" for tick in ticks])
        right.set_yticks([], minor=True)
        right.set_ylabel(label(self.goal.metric))
        right.spines[["top", "right"]].set_visible(False)


def scale_for(goal: Goal, fitnesses: Sequence[float], bests: Sequence[float]) -> Scale:
    """The scale for these scores; `bests`: the best so far, round by round."""
    if goal.best_known is not None:
        gaps = [goal.best_known - fitness for fitness in fitnesses if fitness < goal.best_known]
        return Scale(goal, max(min(gaps, default=1.0) * FLOOR_SHARE, SMALLEST_GAP), None)
    if not bests:
        return Scale(goal, SMALLEST_GAP, None)
    spread = max(bests) - min(bests)
    bottom = min(bests) - SHOWN_BELOW * spread
    return Scale(goal, SMALLEST_GAP, bottom if spread > 0 and min(fitnesses) < bottom else None)


def readable_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two positive ones for a logarithmic axis: at most 8, at least 2.

    >>> readable_ticks(0.009, 0.5)
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    >>> readable_ticks(0.0011, 0.0013)
    [0.0011, 0.00115, 0.0012, 0.00125, 0.0013]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{step}e{decade}") for decade in decades for step in steps]
        found = [tick for tick in ticks if low <= tick <= high]
        if len(found) <= 8:
            break
    if len(found) >= 2:
        return found[:: math.ceil(len(found) / 8)]
    return [float(f"{low + (high - low) * part / 4:.3g}") for part in range(5)]
