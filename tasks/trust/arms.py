"""Comparing the arms of a study over its seeds: paired differences from the first arm, with intervals. Pure.

- The interval is Student's t for paired differences (Student, Biometrika 1908), at level 1 - alpha/m for m arms that
  are compared with the first: with Bonferroni's inequality (Dunn, JASA 1961) all m hold together with 1 - alpha.
- The effect size is the mean difference in standard deviations of the differences, with Hedges' correction for few
  seeds, J = 1 - 3/(4 df - 1) (Hedges, J. Educational Statistics 1981); called g_z in Lakens (Frontiers in Psychology
  2013).
- The p value is exact, from flipping the signs of the differences in every way (Fisher, The Design of Experiments
  1935), so it does not need normal differences; Holm's step-down method (Scand. J. Statistics 1979) corrects it.

Seeds that only one of the two arms has are left out: an absence is not a number. These are for one look at a study that
is finished; who looks again and again needs evidence.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

from scipy.special import stdtrit

from tasks.trust.gains import Summary, paired, summary

#: With more seeds than these, the signs are flipped at random instead of in every way.
EXACT_SEEDS = 16
RANDOM_FLIPS = 20_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm against the first one, over the seeds that both have."""

    seeds: int
    difference: float  # the mean of arm minus first
    lower: float
    upper: float
    effect: float | None  # Hedges' g_z; None where all differences are equal
    p_value: float  # two-sided, not corrected

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0; one of no width says nothing of its own (`is_found`)."""
        return self.lower > 0 or self.upper < 0

    @property
    def has_spread(self) -> bool:
        """Whether the differences differ; if not, the interval has no width, however few they are."""
        return self.effect is not None

    def is_found(self, alpha: float, corrected_p: float) -> bool:
        """Whether there is a difference: the interval excludes 0, and so do the signs. Either alone is not enough."""
        return self.excludes_zero and corrected_p <= alpha


def compare(
    arm: Mapping[int, float], first: Mapping[int, float], *, alpha: float = 0.05, comparisons: int = 1
) -> Comparison | None:
    """None where fewer than two seeds are in both: nobody knows the spread.

    >>> found = compare({1: 1.0, 2: 3.0, 3: 2.0}, {1: 0.0, 2: 1.0, 3: 1.0})
    >>> round(found.difference, 3), round(found.lower, 3), round(found.upper, 3), found.p_value
    (1.333, -0.101, 2.768, 0.25)
    """
    differences = list(paired(arm, first).values())
    if len(differences) < 2:
        return None
    found = summary(differences)
    half = t_quantile(found.n - 1, alpha / comparisons) * (found.standard_error or 0.0)
    return Comparison(
        found.n, found.mean, found.mean - half, found.mean + half, effect_size(found), sign_flip_p(differences)
    )


def least_p(seeds: int, comparisons: int = 1) -> float:
    """No comparison of so many seeds has a smaller p value, corrected for so many of its kind.

    >>> least_p(5), least_p(10, comparisons=3)
    (0.0625, 0.005859375)
    """
    return min(1.0, comparisons * 2.0 ** (1 - seeds))


def t_quantile(df: int, alpha: float) -> float:
    """The two-sided critical value of Student's t.

    >>> round(t_quantile(9, 0.05), 3)
    2.262
    """
    return float(stdtrit(df, 1.0 - alpha / 2.0))


def interval(values: Sequence[float], alpha: float = 0.05) -> tuple[float, float] | None:
    """Student's t interval of a mean; None below two values.

    >>> [round(end, 3) for end in interval([1.0, 2.0, 3.0])]
    [-0.484, 4.484]
    """
    if len(values) < 2:
        return None
    found = summary(values)
    half = t_quantile(found.n - 1, alpha) * (found.standard_error or 0.0)
    return found.mean - half, found.mean + half


def effect_size(differences: Summary) -> float | None:
    """Hedges' g_z of paired differences; None without a spread.

    >>> round(effect_size(Summary(10, 1.0, 2.0)), 4)
    0.4571
    """
    if not differences.sd:
        return None
    correction = 1.0 - 3.0 / (4.0 * (differences.n - 1) - 1.0)
    return correction * differences.mean / differences.sd


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided: the share of sign patterns whose sum is at least as far from 0 as the one that was seen.

    >>> sign_flip_p([1.0, 2.0, 3.0, 4.0])   # 2 of 16
    0.125
    >>> sign_flip_p([0.0, 0.0])
    1.0
    """
    seen = abs(math.fsum(differences)) * (1.0 - 1e-12)  # sums in another order must not count as smaller
    if len(differences) <= EXACT_SEEDS:
        patterns = product((1, -1), repeat=len(differences))
        sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in patterns]
        return sum(total >= seen for total in sums) / len(sums)
    rng = Random(0)
    hits = sum(abs(sum(rng.choice((1, -1)) * d for d in differences)) >= seen for _ in range(RANDOM_FLIPS))
    return (hits + 1) / (RANDOM_FLIPS + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values in the same order: at most alpha of all families has one at or below alpha by chance.

    >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    adjusted, running = [0.0] * len(p_values), 0.0
    for place, k in enumerate(order):
        running = max(running, (len(p_values) - place) * p_values[k])
        adjusted[k] = min(1.0, running)
    return adjusted
