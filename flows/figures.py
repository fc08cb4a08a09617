"""Figures of a campaign: every candidate's fitness by round, the best so far, and the lineage of the best."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cognition.archive import RoundSummary
from cognition.records import Candidate
from tasks.contract import Brief

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, ACCENT, LINE = "#1f2933", "#9aa5b1", "#c2410c", "#1d4ed8"
#: A logarithmic axis has no zero; a gap below this is drawn here.
SMALLEST_GAP = 1e-10


def of_campaign(
    brief: Brief, rounds: Sequence[RoundSummary], lineage: Sequence[Candidate]
) -> Iterator[tuple[str, bytes]]:
    """File names and contents. `lineage`: the best and what it was made from."""
    for kind in ("png", "svg"):
        yield f"fitness.{kind}", fitness_by_round(brief, rounds, lineage, kind)


def fitness_by_round(brief: Brief, rounds: Sequence[RoundSummary], lineage: Sequence[Candidate], kind: str) -> bytes:
    """The picture as PNG or SVG bytes. Where a best known value exists, the gap to it is what can be read."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw(axes, Scale(brief), rounds, lineage)
    content = io.BytesIO()
    figure.savefig(content, format=kind, metadata={"Date": None} if kind == "svg" else {})
    return content.getvalue()


class Scale:
    """What is drawn for a fitness: itself, or its distance to the best known value on a logarithmic axis."""

    def __init__(self, brief: Brief) -> None:
        self.best_known = brief.best_known
        self.label = (
            brief.metric if brief.best_known is None else f"gap to best known {brief.metric}, {brief.best_known:.10g}"
        )

    def of(self, fitness: float) -> float:
        """The height of a point."""
        return fitness if self.best_known is None else max(self.best_known - fitness, SMALLEST_GAP)

    def prepare(self, axes: Axes) -> None:
        """Better is always higher up."""
        axes.set_ylabel(self.label)
        if self.best_known is not None:
            axes.set_yscale("log")
            axes.invert_yaxis()


def _draw(axes: Axes, scale: Scale, rounds: Sequence[RoundSummary], lineage: Sequence[Candidate]) -> None:
    scale.prepare(axes)
    scored = [(r.index, scale.of(r.fitness)) for r in rounds if r.fitness is not None]
    if scored:
        xs, ys = zip(*scored, strict=True)
        axes.scatter(xs, ys, s=18, color=MUTED, label="candidates", zorder=2)
        best = [(r.index, scale.of(r.best_fitness)) for r in rounds if r.best_fitness is not None]
        axes.step(*zip(*best, strict=True), where="post", color=LINE, linewidth=1.6, label="best so far", zorder=3)
    chain = [(c.round_index, scale.of(c.fitness)) for c in lineage if c.fitness is not None]
    if len(chain) > 1:
        xs, ys = zip(*chain, strict=True)
        axes.plot(
            xs, ys, color=ACCENT, linewidth=1, marker="o", markersize=4, label="what the best was made from", zorder=4
        )
    failed = [r.index for r in rounds if r.outcome_kind not in (None, "scored")]
    if failed:
        axes.scatter(
            failed,
            [0.02] * len(failed),
            marker="x",
            s=20,
            color=INK,
            label="failed",
            transform=axes.get_xaxis_transform(),
        )
    axes.set_xlabel("round")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e7eb", linewidth=0.6)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, 1.08), ncols=4)
