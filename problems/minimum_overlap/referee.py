"""The exact referee of Erdos's minimum overlap problem.

Split 1 .. 2n into two sets of n numbers each, and let M be the largest number of solutions of a - b = k over all k,
with a in one and b in the other. The smallest possible M divided by n tends to a constant, which is (Swinnerton-Dyer,
in J. K. Haugland, J. Number Theory 58, 1996) the infimum over all h: [0, 2] -> [0, 1] with integral 1 of

    max over x of the integral of h(t) g(t + x),   g = 1 - h on [0, 2], and both are 0 elsewhere.

Every h gives an upper bound, which is to be small (section B.5 of the AlphaEvolve paper, arXiv 2506.13131).

A candidate answers with the heights of h on N equal steps of width w = 2/N. The overlap is continuous and linear
between the shifts k w, where it is w * sum(h_i g_{i+k}), so its maximum is at one of them, and it is rational.

Heights outside [0, 1] are refused. A solver's integral misses 1 by about 1e-15, and there is no overlap bound to speak
of until it is 1: so, where the integral is too large, h is multiplied by one exact rational factor; where it is too
small, g is. Both keep the heights in [0, 1]. More than `LARGEST_REPAIR` (relative) is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from cognition.records import JSON, Failure
from problems.exact import numbers
from problems.exact.convolution import largest_coefficient

MOST_STEPS = 1000  # a verdict stays below about 50 ms; published constructions use up to 600
LARGEST_REPAIR = Fraction(1, 10**6)


@dataclass(frozen=True, slots=True)
class Verified:
    """The repaired heights, the upper bound that they prove, where it is, and what the repair took off (relative)."""

    heights: tuple[Fraction, ...]
    bound: Fraction
    shift: Fraction
    repair: Fraction


def judge(answer: JSON) -> Verified | Failure:
    """The exact bound, or why there is none."""
    try:
        heights = numbers.sequence(answer, 1, MOST_STEPS, "heights")
    except numbers.Unreadable as error:
        return numbers.invalid(str(error))
    for index, height in enumerate(heights):
        if not 0 <= height <= 1:
            return numbers.invalid(f"height {index} is {float(height):.17g}; expected between 0 and 1")
    factor = repair_factor(heights)
    if factor < 1 - LARGEST_REPAIR:
        integral = float(2 * sum(heights) / len(heights))
        return numbers.invalid(f"the integral of h is {integral:.9g}; expected 1 (the mean height is 1/2)")
    exact = repaired(heights, factor)
    bound, shift = overlap(exact)
    return Verified(exact, bound, shift, 1 - factor)


def repair_factor(heights: Sequence[Fraction]) -> Fraction:
    """The factor, at most 1, on h (if its integral is above 1) or on 1 - h (if it is below)."""
    half, total = Fraction(len(heights), 2), sum(heights, Fraction(0))
    return half / max(total, len(heights) - total)


def repaired(heights: Sequence[Fraction], factor: Fraction) -> tuple[Fraction, ...]:
    """The heights with the factor on h or on 1 - h, whichever has the larger integral."""
    if 2 * sum(heights) >= len(heights):
        return tuple(factor * height for height in heights)
    return tuple(1 - factor * (1 - height) for height in heights)


def overlap(heights: Sequence[Fraction]) -> tuple[Fraction, Fraction]:
    """The largest overlap of h with its complement, and the shift x where it is."""
    whole, scale = numbers.whole(heights)
    complement = [scale - height for height in whole]
    steps = len(whole)
    largest, k = largest_coefficient(whole[::-1], complement)  # sum of h_i g_{i+m}, m = k - (steps - 1)
    return Fraction(2 * largest, steps * scale**2), Fraction(2 * (k - steps + 1), steps)
