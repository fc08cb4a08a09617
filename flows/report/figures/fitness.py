"""Every candidate's score by round, the best so far with its uncertainty, and the line of the best's ancestors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.report.figures.canvas import ACCENT, GROUP_COLOURS, INK, KNOWN, LINE, MUTED, drawn, say, tidy, whole_rounds
from flows.report.figures.scale import Scale, scale_for
from flows.report.records import Report, RoundLine
from flows.report.words import score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Half the height of the band around the best so far, in standard errors.
BAND = 2.0
_FAILED = {"candidate": "candidate failed", "proposal": "proposal refused", "machine": "machine fault"}


def draw(report: Report, kind: str) -> bytes:
    """The picture as PNG or SVG bytes."""

    def fill(figure: Figure) -> None:
        _fill(figure.add_subplot(), report)

    return drawn(8.6, 4.8 if any(line.fitness is not None for line in report.rounds) else 2.0, kind, fill)


def _fill(axes: Axes, report: Report) -> None:
    over = [line for line in report.rounds if line.group != "unfinished"]
    if not over:
        say(axes, "no round has ended yet")
        return
    scored = [line for line in over if line.fitness is not None and line.ranks]
    scale = scale_for(report.goal, _fitnesses(scored), [line.best_fitness or 0.0 for line in scored])
    if scale.is_gap and scored:
        axes.set_yscale("log")
    _failures(axes, over)
    _candidates(axes, scale, [line for line in scored if not line.retest])
    _demoted(axes, scale, [line for line in scored if line.retest])
    _best_so_far(axes, scale, over)
    _ancestors(axes, scale, report)
    _references(axes, scale, report)
    tidy(axes)
    whole_rounds(axes)
    last = over[-1].index
    axes.set_xlim(-0.02 * max(last, 1) - 0.3, 1.02 * last + 0.3)
    if scored:
        scale.prepare(axes)
        _name_the_best(axes, scale, report)
    else:
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.text(0.5, 0.5, "nothing has a score", ha="center", color=MUTED, fontsize=11, transform=axes.transAxes)
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", frameon=False, fontsize=8, ncols=4)


def _fitnesses(lines: Sequence[RoundLine]) -> list[float]:
    return [line.fitness for line in lines if line.fitness is not None]


def _candidates(axes: Axes, scale: Scale, scored: Sequence[RoundLine]) -> None:
    inside = [line for line in scored if line.fitness is not None and not scale.is_below(line.fitness)]
    if inside:
        size = 18 if len(inside) < 300 else 5
        heights = [scale.of(fitness) for fitness in _fitnesses(inside)]
        axes.scatter([line.index for line in inside], heights, s=size, color=MUTED, label="candidates", zorder=2)
    below = [line.index for line in scored if line.fitness is not None and scale.is_below(line.fitness)]
    if below:
        place = axes.get_xaxis_transform()
        label = f"candidates below the picture ({len(below)})"
        axes.scatter(below, [0.07] * len(below), marker="v", s=14, color=MUTED, label=label, transform=place)


def _demoted(axes: Axes, scale: Scale, scored: Sequence[RoundLine]) -> None:
    """Scores that a re-test found to be noise: they are shown, and lead nothing."""
    inside = [line for line in scored if line.fitness is not None and not scale.is_below(line.fitness)]
    if inside:
        heights = [scale.of(fitness) for fitness in _fitnesses(inside)]
        xs, label = [line.index for line in inside], f"demoted by re-test ({len(inside)})"
        axes.scatter(xs, heights, s=22, facecolors="none", edgecolors=MUTED, label=label, zorder=2)


def _best_so_far(axes: Axes, scale: Scale, over: Sequence[RoundLine]) -> None:
    steps = [line for line in over if line.best_fitness is not None]
    if not steps:
        return
    xs = [line.index for line in steps]
    best = [line.best_fitness or 0.0 for line in steps]
    axes.step(xs, list(map(scale.of, best)), where="post", color=LINE, linewidth=1.8, label="best so far", zorder=3)
    errors = _errors_of_the_best(steps)
    if any(errors):
        low = [scale.of(value - BAND * error) for value, error in zip(best, errors, strict=True)]
        high = [scale.of(value + BAND * error) for value, error in zip(best, errors, strict=True)]
        label = f"± {BAND:g} standard errors"
        axes.fill_between(xs, low, high, step="post", color=LINE, alpha=0.15, linewidth=0, label=label, zorder=1)


def _errors_of_the_best(lines: Sequence[RoundLine]) -> list[float]:
    """The standard error of the best so far at each round; 0 where it has none."""
    errors: list[float] = []
    for line in lines:
        errors.append((line.standard_error or 0.0) if line.is_new_best else (errors[-1] if errors else 0.0))
    return errors


def _ancestors(axes: Axes, scale: Scale, report: Report) -> None:
    chain = [one for one in report.lineage if one.is_main_line and one.fitness is not None]
    if len(chain) > 1:
        xs = [one.round_index for one in chain]
        ys = [scale.of(one.fitness) for one in chain if one.fitness is not None]
        label = "what the best was made from"
        axes.plot(xs, ys, color=ACCENT, linewidth=1, marker="o", markersize=4, label=label, zorder=4)


def _references(axes: Axes, scale: Scale, report: Report) -> None:
    baseline = report.baseline.fitness if report.baseline else None
    if baseline is not None:
        axes.axhline(scale.of(baseline), color=INK, linewidth=0.9, linestyle=":", label="baseline", zorder=1)
    best, known = report.best, report.goal.best_known
    if best is not None and known is not None and best.fitness >= known:
        axes.axhline(scale.of(known), color=KNOWN, linewidth=0.9, linestyle="--", label="best known or beyond")


def _failures(axes: Axes, over: Sequence[RoundLine]) -> None:
    for group, label in _FAILED.items():
        rounds = [line.index for line in over if line.group == group]
        if rounds:
            colour = GROUP_COLOURS[group]  # type: ignore[index]  # the keys of _FAILED are groups
            axes.scatter(
                rounds,
                [0.025] * len(rounds),
                marker="x",
                s=16,
                linewidths=1.1,
                color=colour,
                label=f"{label} ({len(rounds)})",
                transform=axes.get_xaxis_transform(),
                clip_on=False,
            )


def _name_the_best(axes: Axes, scale: Scale, report: Report) -> None:
    best = report.best
    if best is None:
        return
    right_half = best.round_index > report.rounds[-1].index / 2
    axes.annotate(
        score(best.fitness, best.standard_error),
        (best.round_index, scale.of(best.fitness)),
        xytext=(-6 if right_half else 6, 7),
        textcoords="offset points",
        ha="right" if right_half else "left",
        color=LINE,
        fontsize=9,
        fontweight="bold",
        annotation_clip=False,
    )
