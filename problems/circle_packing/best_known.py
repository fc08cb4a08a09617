"""Best known sums of radii, shown beside a result and never used in scoring.

A larger value than one of these is extraordinary and needs the exact proof that the referee writes (verified.json).
"""

from __future__ import annotations

from fractions import Fraction

from problems.circle_packing.referee import Rectangle

UNIT_SQUARE: dict[int, float] = {
    26: 2.6359830849,  # exactly verified; published claims of 2.6359830853 rest on a solver's tolerance
    32: 2.9396,  # as published, AlphaEvolve and later systems; not verified by us
    33: 2.98729,
    36: 3.12100,
    40: 3.29237,
}
# 21 circles in a rectangle of perimeter 4: 2.3658321 is for the best rectangle, which is not one fixed rectangle.


def lookup(n: int, box: Rectangle) -> float | None:
    """The best known sum for n circles in this rectangle (squares of any size scale), or None."""
    if box.width != box.height or n not in UNIT_SQUARE:
        return None
    return float(Fraction(str(UNIT_SQUARE[n])) * box.width)
