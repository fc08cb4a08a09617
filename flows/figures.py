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


def of_campaign(
    brief: Brief, rounds: Sequence[RoundSummary], leaders: Sequence[Candidate]
) -> Iterator[tuple[str, bytes]]:
    """File names and contents."""
    lineage = ancestry(rounds, leaders[0].id) if leaders else []
    for kind in ("png", "svg"):
        yield f"fitness.{kind}", fitness_by_round(brief, rounds, lineage, kind)


def ancestry(rounds: Sequence[RoundSummary], candidate: str) -> list[RoundSummary]:
    """The chain from a candidate up through first parents, youngest first."""
    by_candidate = {summary.candidate_id: summary for summary in rounds if summary.candidate_id}
    chain: list[RoundSummary] = []
    current = by_candidate.get(candidate)
    while current is not None and current not in chain:
        chain.append(current)
        current = by_candidate.get(current.parent) if current.parent else None
    return chain


def fitness_by_round(brief: Brief, rounds: Sequence[RoundSummary], lineage: Sequence[RoundSummary], kind: str) -> bytes:
    """The picture as PNG or SVG bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw(axes, brief, rounds, lineage)
    content = io.BytesIO()
    figure.savefig(content, format=kind, metadata={"Date": None} if kind == "svg" else {})
    return content.getvalue()


def _draw(axes: Axes, brief: Brief, rounds: Sequence[RoundSummary], lineage: Sequence[RoundSummary]) -> None:
    scored = [(r.index, r.fitness) for r in rounds if r.fitness is not None]
    if scored:
        xs, ys = zip(*scored, strict=True)
        axes.scatter(xs, ys, s=18, color=MUTED, label="candidates", zorder=2)
        best = [max(ys[: i + 1]) for i in range(len(ys))]
        axes.step(xs, best, where="post", color=LINE, linewidth=1.6, label="best so far", zorder=3)
    chain = [(r.index, r.fitness) for r in lineage if r.fitness is not None]
    if len(chain) > 1:
        xs, ys = zip(*chain, strict=True)
        axes.plot(xs, ys, color=ACCENT, linewidth=1, marker="o", markersize=4, label="lineage of the best", zorder=4)
    failed = [r.index for r in rounds if r.outcome_kind not in (None, "scored")]
    if failed and scored:
        floor = min(ys for _, ys in scored)
        axes.scatter(failed, [floor] * len(failed), marker="x", s=20, color=INK, label="failed", zorder=3)
    if brief.best_known is not None:
        axes.axhline(brief.best_known, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), label="best known")
    axes.set_xlabel("round")
    axes.set_ylabel(brief.metric)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e7eb", linewidth=0.6)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, loc="lower right")
