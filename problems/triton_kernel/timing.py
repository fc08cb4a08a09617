"""What is made of times that a GPU took: medians with intervals, paired ratios, the floor. Pure; no torch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 6  # below, no interval of a median covers 95%


@dataclass(frozen=True, slots=True)
class Median:
    """A median and its interval, which makes no assumption about how times are distributed."""

    value: float
    low: float
    high: float


def median(values: Sequence[float], level: float = 0.95) -> Median:
    """By order statistics: the interval from the k-th smallest to the k-th largest covers the median at that level.

    Raises ValueError for fewer than FEWEST values.

    >>> median([float(n) for n in range(1, 11)])
    Median(value=5.5, low=2.0, high=9.0)
    """
    if len(values) < FEWEST:
        raise ValueError(f"expected at least {FEWEST} values, got {len(values)}")
    ordered, n = sorted(values), len(values)
    missed, outside = 0, 0.5 * (1.0 - level)
    below = 0.5**n  # the chance that all values lie on one side
    while below <= outside:
        missed += 1
        below += math.comb(n, missed) * 0.5**n
    return Median(statistics.median(ordered), ordered[missed - 1], ordered[n - missed])


def speed_up(base_ms: Sequence[float], other_ms: Sequence[float], level: float = 0.95) -> Median:
    """How many times as fast as the base the other is: the median over rounds, in each of which both were timed."""
    return median([base / other for base, other in zip(base_ms, other_ms, strict=True)], level)


def floor_ms(floor_bytes: int, bandwidth_tb_s: float) -> float:
    """How long the least possible bytes take at that bandwidth.

    >>> floor_ms(3_350_000_000, 3.35)
    1.0
    """
    return floor_bytes / (bandwidth_tb_s * 1e9)
