"""Slot `credit`: what a completion's reward is worth. `credit(rewards_GK) -> credit_GK`."""

from typing import Annotated

import torch
from torch import Tensor


def mean_credit(rewards_GK: Tensor, *, shift: Annotated[float, (-0.3, 0.3)] = 0.0) -> Tensor:
    """Each reward against its group's mean: GRPO's.

    A negative shift of the baseline rewards everything a little, a positive one punishes.
    """
    return rewards_GK - rewards_GK.mean(1, keepdim=True) - shift * rewards_GK.std(1, keepdim=True)


def others_credit(rewards_GK: Tensor, *, weight: Annotated[float, (0.5, 1.0)] = 1.0) -> Tensor:
    """Each reward against the mean of the others, which leaves the gradient unbiased: RLOO's.

    With rewards of 0 and 1 it is a constant times the group mean's; a weight below one keeps some of the plain reward.
    """
    others_GK = (rewards_GK.sum(1, keepdim=True) - rewards_GK) / max(1, rewards_GK.shape[1] - 1)
    return rewards_GK - weight * others_GK


def pairwise_credit(rewards_GK: Tensor, *, temperature: Annotated[float, (0.1, 2.0), "log"] = 0.5) -> Tensor:
    """The mean over the group of tanh of the difference to each other reward: Algorithm A's.

    New only for graded rewards, where it saturates large differences.
    """
    pairs_GKK = torch.tanh((rewards_GK[:, :, None] - rewards_GK[:, None, :]) / temperature)
    return pairs_GKK.mean(2)


def rank_credit(rewards_GK: Tensor, *, power: Annotated[float, (0.5, 2.0)] = 1.0) -> Tensor:
    """The share of the group that a completion beats, less the share that beats it.

    Does not depend on the rewards' scale, so one outlier cannot take the whole step.
    """
    wins_GK = torch.sign(rewards_GK[:, :, None] - rewards_GK[:, None, :]).mean(2)
    return torch.sign(wins_GK) * wins_GK.abs() ** power


def lopsided_credit(rewards_GK: Tensor, *, good: Annotated[float, (0.5, 3.0), "log"] = 1.5) -> Tensor:
    """Above the mean counts more, or less, than below it.

    Learning from rare successes wants more, staying near what already works wants less.
    """
    centred_GK = rewards_GK - rewards_GK.mean(1, keepdim=True)
    return torch.where(centred_GK > 0, good * centred_GK, centred_GK)
