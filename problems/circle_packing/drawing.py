"""The picture of a packing, as PNG and SVG bytes. Uses matplotlib's objects directly: no pyplot, no global state."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from problems.circle_packing.referee import Rectangle, Verified, contacts, decimal_down

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#22303c"
FAINT = "#8b98a5"
LONG_SIDE_IN = 7.0


def draw(verified: Verified, box: Rectangle, best_known: float | None) -> dict[str, bytes]:
    """The pictures by file name: `packing.png` and `packing.svg`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = float(box.width), float(box.height)
    scale = LONG_SIDE_IN / max(width, height)
    size = (max(width * scale, 4.0) + 0.4, height * scale + 1.0)
    figure = Figure(figsize=size, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.2 / size[0], 0.2 / size[1], 1 - 0.4 / size[0], 1 - 1.0 / size[1]))
    axes.set_xlim(-0.005 * width, 1.005 * width)
    axes.set_ylim(-0.005 * height, 1.005 * height)
    axes.set_aspect("equal")
    axes.axis("off")
    _fill(axes, verified, width, height)
    _join(axes, verified, contacts(verified, box)[0])
    _title(figure, size[1], verified, best_known)
    return {f"packing.{kind}": _bytes(figure, kind) for kind in ("png", "svg")}


def _fill(axes: Axes, verified: Verified, width: float, height: float) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Circle
    from matplotlib.patches import Rectangle as Frame

    axes.add_patch(Frame((0, 0), width, height, facecolor="#f6f4ef", edgecolor=INK, linewidth=1.6))
    radii = [float(circle.r) for circle in verified.circles]
    low, spread = min(radii), max(max(radii) - min(radii), 1e-12)
    for circle, radius in zip(verified.circles, radii, strict=True):
        colour = colormaps["viridis"](0.15 + 0.75 * (radius - low) / spread)
        place = (float(circle.x), float(circle.y))
        axes.add_patch(Circle(place, radius, facecolor=colour, edgecolor="white", linewidth=1.0, alpha=0.92))


def _join(axes: Axes, verified: Verified, pairs: Sequence[tuple[int, int]]) -> None:
    """A thin line between the centres of circles that touch."""
    for i, j in pairs:
        a, b = verified.circles[i], verified.circles[j]
        ends = ([float(a.x), float(b.x)], [float(a.y), float(b.y)])
        axes.plot(*ends, color="white", linewidth=0.8, alpha=0.7, solid_capstyle="round")


def _title(figure: Figure, height_in: float, verified: Verified, best_known: float | None) -> None:
    total = decimal_down(verified.total, 10)
    figure.text(0.5, 1 - 0.34 / height_in, f"sum of radii {total}", ha="center", fontsize=15, color=INK, weight="bold")
    known = "" if best_known is None else f"; best known {best_known:.10f}"
    note = f"{len(verified.circles)} circles, verified exactly{known}"
    figure.text(0.5, 1 - 0.62 / height_in, note, ha="center", fontsize=10, color=FAINT)


def _bytes(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, dpi=160, metadata=metadata)
    return buffer.getvalue()
