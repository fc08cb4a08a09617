"""A bound of the mean gain that holds at all numbers of replicates at once, so that one may look after each.

An ordinary t-interval covers at one number of replicates, fixed beforehand. Who looks again and again, or goes on
tomorrow with what was open today, finds a "significant" gain sooner or later where there is none. The bound here comes
from an e-process, a test martingale under "the mean gain is at most the gate": with a probability of at least
1 - alpha it never exceeds 1/alpha, however many replicates there will be (Ville's inequality).

Which one: the sequential t-test with the right Haar measure over the unknown standard deviation and a normal mixture
over the standardised gain, in the scale-invariant filtration (Wang and Ramdas, "Anytime-valid t-tests and confidence
sequences for Gaussian means with unknown variance", arXiv 2310.03722, who build on Lai 1976). We take half a normal,
since only a gain counts. Its integral is closed: with S1 and S2 the sums of the gains and of their squares,
r = S1 / sqrt(S2), k = n + 1/scale^2 and F the distribution function of Student's t with n degrees of freedom,

    e = 2 / sqrt(1 + n scale^2) * (1 - r^2/k)^(-n/2) * F(sqrt(n) r / sqrt(k - r^2))

A mean below the gate makes every one of these numbers smaller, so the whole one-sided hypothesis is covered.

What it does not do: it is exact for Gaussian gains. Differences of two runs under the null hypothesis are
symmetric, which helps; benchmarks/false_winners.py measures other shapes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from scipy.optimize import brentq
from scipy.special import log_ndtr, stdtr

from tasks.trust.gains import Summary

#: The standardised gain that the mixture is broad around: of the size that is to be found with few replicates.
SCALE = 1.0
_LARGEST_T = 1e6


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower and upper bound of the mean gain, each at its alpha; infinite while there are too few replicates."""

    lower: float
    upper: float


def log_e_value(gains: Summary, gate: float = 0.0, scale: float = SCALE) -> float:
    """The logarithm of the evidence against "the mean gain is at most the gate"; above log(1/alpha) it is refuted.

    >>> log_e_value(Summary(1, 5.0, None)) < math.log(2)   # one replicate says next to nothing
    True
    """
    return log_e_of_t(gains.n, _t(gains, gate), scale)


def bounds(gains: Summary, alpha: float, scale: float = SCALE) -> Bounds:
    """Bounds that hold for all numbers of replicates together, each with a probability of 1 - alpha.

    >>> found = bounds(Summary(16, 1.0, 1.0), 0.05)
    >>> 0.1 < found.lower < 1.0 < found.upper < 1.9
    True
    """
    critical = critical_t(gains.n, alpha, scale)
    if critical is None or gains.standard_error is None:
        return Bounds(-math.inf, math.inf)
    half = critical * gains.standard_error
    return Bounds(gains.mean - half, gains.mean + half)


@lru_cache(maxsize=4096)
def critical_t(n: int, alpha: float, scale: float = SCALE) -> float | None:
    """The t statistic at which the evidence reaches 1/alpha; None if n replicates can never reach it."""
    wanted = -math.log(alpha)
    if n < 2 or log_e_of_t(n, _LARGEST_T, scale) < wanted:
        return None
    return float(brentq(lambda t: log_e_of_t(n, t, scale) - wanted, -_LARGEST_T, _LARGEST_T, xtol=1e-10))


def _t(gains: Summary, gate: float) -> float:
    """Student's t; gains without any spread are as far from the gate as can be."""
    distance = gains.mean - gate
    if distance == 0.0:
        return 0.0
    error = gains.standard_error
    if error is None or error == 0.0:
        return math.copysign(_LARGEST_T, distance)
    return max(-_LARGEST_T, min(_LARGEST_T, distance / error))


def log_e_of_t(n: int, t: float, scale: float = SCALE) -> float:
    """The logarithm of the evidence of n replicates with this t statistic."""
    k = n + 1.0 / scale**2
    r = math.copysign(math.sqrt(n * t * t / (n - 1 + t * t)), t) if t else 0.0
    tail = _log_t_cdf(math.sqrt(n) * r / math.sqrt(k - r * r), n)
    return math.log(2.0) - 0.5 * math.log1p(n * scale**2) - 0.5 * n * math.log1p(-r * r / k) + tail


def _log_t_cdf(x: float, n: int) -> float:
    """The logarithm of Student's distribution function; where it underflows, the normal's, which is smaller still."""
    probability = float(stdtr(n, x))
    return math.log(probability) if probability > 0.0 else float(log_ndtr(x))


def smallest_n(alpha: float, scale: float = SCALE) -> int:
    """The fewest replicates that can ever reach 1/alpha.

    >>> smallest_n(0.05), smallest_n(0.001)
    (4, 7)
    """
    n = 2
    while critical_t(n, alpha, scale) is None:
        n += 1
    return n
