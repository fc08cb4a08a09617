"""Random prefixes sent alone, in a process of their own, against the answers to the whole texts. Trusted; no torch.

A model that looked ahead cannot repeat its answer when the rest is not there. Which prefixes are sent must not be known
to the candidate, so no seed decides. What is compared is what is scored, the log-probabilities behind the head: hidden
states could hide a difference beside one large coordinate. It does not see what depends on nothing but the prefix,
e.g. a looked-up text.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from arch import scoring
from arch.inside.synthetic import Tokens
from tasks.contract import Failure, FailureKind

TOLERANCE_NATS = 0.01  # of any token's log-probability; float32, and other lengths are cut in other chunks

States = NDArray[np.float32]
Ask = Callable[[Sequence[Tokens]], "list[States] | Failure"]  # (1, T) each -> (1, T, D) each


def mismatch(
    ask: Ask, texts: Sequence[Tokens], states: Sequence[States], head_VD: NDArray[np.float64], share: float
) -> Failure | None:
    """Send a share of the texts (T,) again, each cut at a random place; `states` (T, D) is what was answered before."""
    chance = random.SystemRandom()
    rows = chance.sample(range(len(texts)), min(len(texts), max(1, math.ceil(share * len(texts)))))
    cuts = [(row, chance.randint(1, max(1, len(texts[row]) - 1))) for row in rows]
    alone = ask([texts[row][None, :cut] for row, cut in cuts])
    if isinstance(alone, Failure):
        return alone
    for (row, cut), state_1TD in zip(cuts, alone, strict=True):
        gap = difference(states[row][:cut], state_1TD[0], head_VD)
        if gap > TOLERANCE_NATS:
            reason = (
                f"audit: the first {cut} predictions change by {gap:.1e} nats when the rest of the text is not sent"
            )
            return Failure(FailureKind.CHEATING, reason)
    return None


def difference(whole_TD: States, alone_TD: States, head_VD: NDArray[np.float64]) -> float:
    """The largest change of a log-probability, in nats, over positions and those tokens that either finds possible.

    A token below e^-20 in both is left out: it moves no score, and rounding moves it most.
    """
    rows = max(1, scoring.MOST_LOGARITHMS // len(head_VD))
    pieces = [slice(start, start + rows) for start in range(0, len(whole_TD), rows)]
    return max(_difference(whole_TD[piece], alone_TD[piece], head_VD) for piece in pieces)


def _difference(whole_RD: States, alone_RD: States, head_VD: NDArray[np.float64]) -> float:
    logarithms = [scoring.all_log_probabilities(states, head_VD) for states in (whole_RD, alone_RD)]
    if not all(np.isfinite(each).all() for each in logarithms):
        return math.inf
    possible = np.maximum(*logarithms) > -20.0
    return float(np.abs(logarithms[0] - logarithms[1])[possible].max())
