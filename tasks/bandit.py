"""Which of several models the Researcher is in this round: the one that promises most gain per dollar. Pure.

UCB1 over gain per dollar. A round's gain is by how much its candidate beat its parent; its cost is what the
Researcher's calls of that round were priced. An arm's value is

    rate / largest rate of all arms + exploration * sqrt(2 ln N / n),    rate = sum of gains / sum of costs

with n rounds of the arm among the N of the window. Dividing by the largest rate keeps UCB1's range of 0 to 1, whatever
a problem's fitness is. (Dividing the whole by the cost, as bandits with budgets often do, was tried: a free model that
gains nothing then gets nearly every round.) A window forgets: what a model gained at the start, when everything did,
says little later on.

The first rounds go round all arms, in an order drawn from the campaign's seed, by their number, so that rounds in
flight at once do not all take the same one. Two deviations from the textbook: mean costs below a hundredth of the
dearest arm's count as that, since a free model's rate would be infinite; a round that is under way does not count yet.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from cognition.arms import Tried

#: So many of the newest rounds count. Ours.
WINDOW = 200
#: Every arm is played so often before anything is compared.
WARM_UP = 2
_LEAST_COST_SHARE = 0.01


def choose(arms: Sequence[str], tried: Sequence[Tried], index: int, seed: int, exploration: float) -> str:
    """The model for the round of that index (1, 2, ...); the same for the same data and seed.

    >>> tried = [Tried("dear", 0.2, 0.1)] * 5 + [Tried("cheap", 0.1, 0.01)] * 5
    >>> choose(["dear", "cheap"], tried, 11, 0, 0.0)
    'cheap'
    """
    order = random.Random(f"{seed}/bandit").sample(list(arms), len(arms))
    if index <= WARM_UP * len(order):
        return order[(index - 1) % len(order)]
    values = worth(order, tried, exploration)
    return max(order, key=lambda arm: values[arm])


def worth(arms: Sequence[str], tried: Sequence[Tried], exploration: float) -> dict[str, float]:
    """Each arm's value; infinite for one that was never played."""
    played = {arm: [one for one in tried if one.model == arm] for arm in arms}
    total = sum(len(rounds) for rounds in played.values())
    costs = {arm: sum(one.dollars for one in rounds) / len(rounds) for arm, rounds in played.items() if rounds}
    least = max(costs.values(), default=0.0) * _LEAST_COST_SHARE or 1.0
    rates = {
        arm: sum(one.gain for one in played[arm]) / len(played[arm]) / max(cost, least) for arm, cost in costs.items()
    }
    largest = max(rates.values(), default=0.0) or 1.0
    bonus = {arm: exploration * math.sqrt(2 * math.log(total) / len(played[arm])) for arm in rates}
    return {arm: rates[arm] / largest + bonus[arm] if arm in rates else math.inf for arm in arms}
