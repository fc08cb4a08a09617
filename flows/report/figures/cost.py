"""What was used: tokens by role with their price, and sandbox time over the rounds."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from flows.report.figures.canvas import FAINT, INK, LINE, MUTED, drawn, say, tidy, whole_rounds
from flows.report.records import Report, RoleUse
from flows.report.words import price

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(report: Report, kind: str) -> bytes:
    """The picture as PNG or SVG bytes."""

    if not report.roles and all(line.use.cpu_s is None for line in report.rounds):
        return drawn(
            8.6, 1.2, kind, lambda figure: say(figure.add_subplot(), "no model calls, no sandbox time recorded")
        )

    def fill(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        _tokens(left, report)
        _cpu(right, report)

    return drawn(8.6, 3.0, kind, fill)


def _tokens(axes: Axes, report: Report) -> None:
    if not report.roles:
        say(axes, "no model calls")
        return
    places = list(range(len(report.roles)))
    prompt = [role.use.prompt_tokens for role in report.roles]
    answer = [role.use.completion_tokens for role in report.roles]
    axes.barh(places, prompt, height=0.5, color=FAINT, label="prompt tokens")
    bars = axes.barh(places, answer, height=0.5, left=prompt, color=LINE, label="answer tokens")
    axes.bar_label(bars, [f" {_price(role)}" for role in report.roles], color=INK, fontsize=8)
    axes.set_yticks(places, [role.role for role in report.roles])
    axes.set_ylim(max(len(places), 3) - 0.4, -0.6)
    axes.set_xlim(0, 1.5 * max(1, *(role.use.tokens for role in report.roles)))
    axes.xaxis.set_major_formatter(lambda value, _: _compact(value))
    axes.set_xlabel("tokens")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    tidy(axes, "x")


def _price(role: RoleUse) -> str:
    """Short enough to stand beside a bar."""
    if 0 < role.use.unpriced_calls < role.use.calls:
        return f"at least ${role.use.dollars:.2f}"
    return "price unknown" if role.use.unpriced_calls else price(role.use)


def _compact(value: float) -> str:
    """A number of tokens as an axis shows it.

    >>> _compact(1_500_000), _compact(20_000), _compact(5)
    ('1.5M', '20k', '5')
    """
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"


def _cpu(axes: Axes, report: Report) -> None:
    measured = [(line.index, line.use.cpu_s) for line in report.rounds if line.use.cpu_s is not None]
    if not measured:
        say(axes, "no sandbox time recorded")
        return
    xs = [index for index, _ in measured]
    each = [cpu_s for _, cpu_s in measured if cpu_s is not None]
    axes.bar(xs, each, color=FAINT, width=0.8 if len(xs) < 200 else 1.0)
    axes.set_ylabel("CPU-s of each candidate", color=MUTED)
    total = axes.twinx()
    total.plot(xs, list(accumulate(each)), color=LINE, linewidth=1.6)
    total.set_ylabel("CPU-s in all", color=LINE)
    total.set_ylim(bottom=0)
    total.spines[["top"]].set_visible(False)
    tidy(axes)
    whole_rounds(axes)
    axes.set_title("measured candidates only", loc="left", fontsize=8, color=MUTED)
