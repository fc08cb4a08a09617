"""Random prefixes sent alone, in a process of their own, against the answers to the whole texts. Trusted; no torch.

A model that looked ahead cannot repeat its answer when the rest is not there. Which prefixes are sent must not be known
to the candidate, so no seed decides. It does not see what depends on nothing but the prefix, e.g. a looked-up text.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from arch.inside.synthetic import Tokens
from tasks.contract import Failure, FailureKind

TOLERANCE = 1e-3  # of the largest hidden state, float32; other lengths are cut in other chunks

States = NDArray[np.float32]
Ask = Callable[[Sequence[Tokens]], "list[States] | Failure"]  # (1, T) each -> (1, T, D) each


def mismatch(ask: Ask, texts: Sequence[Tokens], states: Sequence[States], share: float) -> Failure | None:
    """Send a share of the texts (T,) again, each cut at a random place; `states` (T, D) is what was answered before."""
    chance = random.SystemRandom()
    rows = chance.sample(range(len(texts)), min(len(texts), max(1, math.ceil(share * len(texts)))))
    cuts = [(row, chance.randint(1, max(1, len(texts[row]) - 1))) for row in rows]
    alone = ask([texts[row][None, :cut] for row, cut in cuts])
    if isinstance(alone, Failure):
        return alone
    for (row, cut), state_1TD in zip(cuts, alone, strict=True):
        whole_TD = states[row][:cut]
        gap = float(np.abs(whole_TD - state_1TD[0]).max() / max(1e-9, float(np.abs(whole_TD).max())))
        if gap > TOLERANCE:
            reason = f"audit: the first {cut} hidden states change by {gap:.1e} when the rest of the text is not sent"
            return Failure(FailureKind.CHEATING, reason)
    return None
