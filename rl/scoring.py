"""Trusted scores of a trained policy: the exact chance that a sampled answer is right, prompt by prompt. No torch.

Sampled accuracy has an expectation that can be computed: the task has one right completion, so its probability under
the model is the accuracy that sampling at temperature 1 would estimate. That takes the sampling noise out. Prompts are
made here, of parts that training does not draw from; no process of a candidate sees them or their answers.

Shapes: N prompts, T completion tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rl import model
from rl.inside import sorting
from rl.inside.shape import Shape
from rl.weights import Arrays

PROMPTS_SEED = 20_260_329  # one set of prompts for all: candidates differ by their training alone


@dataclass(frozen=True, slots=True)
class Answers:
    """How probable each behaviour is, on average over a part's prompts."""

    by_behaviour: dict[str, float]

    @property
    def accuracy(self) -> float:
        """The chance that a sampled answer is right."""
        return self.by_behaviour["right"]


@lru_cache(maxsize=8)
def held_out(part: sorting.Part, count: int) -> tuple[tuple[int, ...], ...]:
    """Prompts of a part that is not trained on, as digits."""
    rng = np.random.default_rng([PROMPTS_SEED, 0 if part == "choose" else 1])
    return tuple(tuple(digits) for digits in sorting.draw(rng, count, part))


def answers(
    weights: Arrays, shape: Shape, part: sorting.Part, count: int, behaviours: Sequence[str] = tuple(sorting.BEHAVIOURS)
) -> Answers:
    """What a model with these weights answers."""
    lists = [list(digits) for digits in held_out(part, count)]
    found = {}
    for behaviour in behaviours:
        tokens_NT = sorting.completions([sorting.behave(digits, behaviour) for digits in lists])
        logps_NT = model.completion_logps(weights, shape, sorting.prompts(lists), tokens_NT)
        found[behaviour] = float(np.exp((logps_NT * sorting.mask(tokens_NT)).sum(1, dtype=np.float64)).mean())
    return Answers(found)


def spread(values: Sequence[float]) -> float | None:
    """The standard error of the mean, None for fewer than two values."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
