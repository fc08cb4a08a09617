"""The exact referee of the first autocorrelation inequality.

Let C be the largest constant with

    max over t of (f * f)(t)  >=  C (integral of f)^2      for every non-negative f on [-1/4, 1/4],

where (f * f)(t) is the integral of f(x) f(t - x). Every f gives an upper bound on C, the quotient of both sides, and
the bound is to be small (M. Matolcsi and C. Vinuesa, J. Math. Anal. Appl. 372, 2010, who also use step functions;
section B.1 of the AlphaEvolve paper, arXiv 2506.13131).

A candidate answers with the heights a_0 .. a_{N-1} of a step function on N equal steps of width w = 1/(2N). Its f * f
is continuous and linear between the points t_k = -1/2 + (k + 1) w, where it is w * sum(a_i a_{k-i}), so its maximum is
at one of them and the bound is the rational number 2 N max_k sum(a_i a_{k-i}) / (sum a_i)^2. The bound does not change
when f is scaled, so nothing has to be repaired.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from cognition.records import JSON, Failure
from problems.exact import numbers
from problems.exact.convolution import largest_coefficient

MOST_STEPS = 1000  # a verdict stays below about 50 ms; published constructions of 2025 use 600


@dataclass(frozen=True, slots=True)
class Verified:
    """The upper bound on C that a step function proves, and where its autoconvolution is largest."""

    bound: Fraction
    steps: int
    peak: Fraction  # t


def judge(answer: JSON) -> Verified | Failure:
    """The exact bound, or why there is none."""
    try:
        heights = numbers.sequence(answer, 1, MOST_STEPS, "heights")
    except numbers.Unreadable as error:
        return numbers.invalid(str(error))
    for index, height in enumerate(heights):
        if height < 0:
            return numbers.invalid(f"height {index} is {float(height):.3g}; expected at least 0")
    whole, _ = numbers.whole(heights)
    total = sum(whole)
    if total == 0:
        return numbers.invalid("the function is 0 everywhere")
    largest, k = largest_coefficient(whole, whole)
    steps = len(whole)
    return Verified(Fraction(2 * steps * largest, total**2), steps, Fraction(k + 1 - steps, 2 * steps))
