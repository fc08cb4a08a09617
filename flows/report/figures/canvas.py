"""What the figures share: colours, a canvas, an axis that is easy to read, a word when there is nothing to draw."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from flows.report.records import Group
from flows.terminal import without_controls

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, FAINT, GRID = "#1f2933", "#7b8794", "#cbd2d9", "#e4e7eb"
LINE, ACCENT, KNOWN = "#1d4ed8", "#c2410c", "#047857"
GROUP_COLOURS: dict[Group, str] = {
    "scored": LINE,
    "candidate": "#d97706",
    "proposal": MUTED,
    "machine": "#b91c1c",
    "unfinished": FAINT,
}


def drawn(width_in: float, height_in: float, kind: str, fill: Callable[[Figure], None]) -> bytes:
    """A figure as PNG or SVG bytes. Text is never read as TeX: ids and reasons are others' words."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"text.parse_math": False, "axes.edgecolor": MUTED, "font.size": 9, "svg.hashsalt": "nightshift"}):
        figure = Figure(figsize=(width_in, height_in), dpi=140, layout="constrained")
        FigureCanvasAgg(figure)
        fill(figure)
        content = io.BytesIO()
        figure.savefig(content, format=kind, metadata={"Date": None} if kind == "svg" else {})
    return content.getvalue()


def label(text: str, most: int = 48) -> str:
    """Others' words for a place where there is little room: one line, no control characters.

    >>> label("a\\nb" + "c" * 60, 8)
    'a bcccc…'
    """
    line = without_controls(" ".join(text.split()))
    return line if len(line) <= most else line[: most - 1] + "…"


def tidy(axes: Axes, grid: Literal["x", "y"] = "y") -> None:
    """No frame, a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK)


def say(axes: Axes, sentence: str) -> None:
    """A sentence in place of a picture."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, sentence, ha="center", va="center", color=MUTED, fontsize=11, transform=axes.transAxes)


def whole_rounds(axes: Axes) -> None:
    """The x axis counts rounds: whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.set_xlabel("round")
