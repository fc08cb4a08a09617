"""The correction for the number tried: how much of the error rate each finalist of a campaign may use up.

The j-th finalist that a campaign ever tests gets alpha * 6 / (pi^2 j^2). These add up to alpha, whatever the number of
finalists turns out to be, so the probability that a campaign ever promotes anything that is not better stays below
alpha (the union bound), over all its nights together. A fixed alpha/k needs to know k beforehand, which a campaign that
is continued does not. e-BH (Wang and Ramdas 2022) would have more power for many true gains, but holds the false
discovery rate, and "one false winner" is what a user is afraid of.

Only finalists count, not the hundreds of candidates of the rounds: these were chosen on other seeds than
those that decide.
"""

from __future__ import annotations

import math


def level(number: int, alpha: float) -> float:
    """The error rate of a campaign's finalist of that number, the first is 1.

    >>> round(level(1, 0.05), 4), round(level(5, 0.05), 5)
    (0.0304, 0.00122)
    """
    if number < 1:
        raise ValueError(f"finalists are counted from 1, not from {number}")
    return alpha * 6.0 / (math.pi * number) ** 2
