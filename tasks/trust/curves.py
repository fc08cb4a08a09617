"""Best-so-far curves of campaigns over what they have spent: value at a budget, area, when a level was reached. Pure.

A curve starts at the baseline's fitness with nothing spent, and steps up where a candidate is better than all before.
A candidate that got no score moves the spending on and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One round that is over: what the campaign had spent by then, and the candidate's fitness if it has one."""

    spent: float
    fitness: float | None


def best_at(steps: Sequence[Step], start: float, spent: float) -> float:
    """The best fitness that was known once so much was spent.

    >>> best_at([Step(1.0, 2.0), Step(2.0, None), Step(3.0, 5.0)], 0.0, 2.5)
    2.0
    >>> best_at([Step(1.0, -1.0)], 0.0, 2.0)
    0.0
    """
    return max([start, *(step.fitness for step in steps if step.fitness is not None and step.spent <= spent)])


def best_by_round(steps: Sequence[Step], start: float) -> list[float]:
    """The best so far after each round, the baseline first.

    >>> best_by_round([Step(1.0, -1.0), Step(2.0, 3.0), Step(3.0, None)], 0.0)
    [0.0, 0.0, 3.0, 3.0]
    """
    best = [start]
    for step in steps:
        best.append(best[-1] if step.fitness is None else max(best[-1], step.fitness))
    return best


def area(steps: Sequence[Step], start: float, budget: float) -> float:
    """The area under the curve up to the budget, divided by the budget: the mean of the best so far.

    >>> area([Step(1.0, 2.0), Step(3.0, 4.0), Step(9.0, 9.0)], 0.0, 4.0)   # (1*0 + 2*2 + 1*4) / 4
    2.0
    """
    if budget <= 0:
        raise ValueError(f"a budget is above 0, not {budget}")
    total, best, at = 0.0, start, 0.0
    for step in steps:
        if step.spent > budget:
            break
        total += best * (step.spent - at)
        at = step.spent
        best = best if step.fitness is None else max(best, step.fitness)
    return (total + best * (budget - at)) / budget


def round_of_level(steps: Sequence[Step], level: float, budget: float) -> int | None:
    """How many rounds it took to reach the level within the budget; None if it was not reached.

    >>> steps = [Step(1.0, 2.0), Step(2.0, 4.0)]
    >>> round_of_level(steps, 3.0, 9.0), round_of_level(steps, 3.0, 1.5)
    (2, None)
    """
    for number, step in enumerate(steps, start=1):
        if step.fitness is not None and step.fitness >= level and step.spent <= budget:
            return number
    return None
