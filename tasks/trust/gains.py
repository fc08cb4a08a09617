"""Paired gains: a candidate's score minus the baseline's on the same seed, and what they amount to.

Pairing takes out whatever a seed does to both. A seed that only one of them has tells nothing and is left out.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """Replicates in three numbers."""

    n: int
    mean: float
    sd: float | None  # of one gain; None below two replicates

    @property
    def standard_error(self) -> float | None:
        """Of the mean; None below two replicates, whose spread nobody knows."""
        return None if self.sd is None else self.sd / math.sqrt(self.n)


def paired(candidate: Mapping[int, float], baseline: Mapping[int, float]) -> dict[int, float]:
    """The gain at every seed that both have, in the candidate's order.

    >>> paired({1: 2.0, 2: 5.0, 3: 1.0}, {2: 4.0, 1: 0.5})
    {1: 1.5, 2: 1.0}
    """
    return {seed: score - baseline[seed] for seed, score in candidate.items() if seed in baseline}


def summary(gains: Sequence[float]) -> Summary:
    """Mean and spread. Raises ValueError if there is nothing, or a number that is not finite.

    >>> summary([1.0, 3.0])
    Summary(n=2, mean=2.0, sd=1.4142135623730951)
    >>> summary([1.0]).standard_error is None
    True
    """
    if not gains:
        raise ValueError("no gain was measured: an absence is not a gain of 0")
    if not all(map(math.isfinite, gains)):
        raise ValueError(f"gains are finite numbers, not {list(gains)}")
    sd = statistics.stdev(gains) if len(gains) > 1 else None
    return Summary(len(gains), statistics.fmean(gains), sd)
