"""Slot `scale`: how large advantages are. `scale(credit_GK, rewards_GK) -> advantages_GK`."""

from typing import Annotated

from torch import Tensor


def group_deviation(
    credit_GK: Tensor, rewards_GK: Tensor, *, floor: Annotated[float, (1e-4, 0.3), "log"] = 1e-4
) -> Tensor:
    """Divide by the group's standard deviation: GRPO's.

    Prompts that are nearly solved or nearly hopeless get the largest advantages; a floor tames them.
    """
    return credit_GK / (rewards_GK.std(1, keepdim=True) + floor)


def no_scale(credit_GK: Tensor, rewards_GK: Tensor, *, factor: Annotated[float, (0.5, 3.0), "log"] = 2.0) -> Tensor:
    """Leave them alone but for a constant: Dr. GRPO's.

    Prompts weigh by how mixed their rewards are, which is what the plain gradient does.
    """
    return factor * credit_GK


def batch_deviation(
    credit_GK: Tensor, rewards_GK: Tensor, *, floor: Annotated[float, (1e-4, 0.3), "log"] = 1e-3
) -> Tensor:
    """Divide by the deviation over the whole batch, one number for all groups.

    Keeps the balance between prompts and still fixes the size of a step.
    """
    return credit_GK / (rewards_GK.std() + floor)


def capped(credit_GK: Tensor, rewards_GK: Tensor, *, most: Annotated[float, (0.8, 3.0)] = 1.5) -> Tensor:
    """The group's deviation, then a cap on every advantage.

    One success among many failures does not outweigh everything else.
    """
    return (credit_GK / (rewards_GK.std(1, keepdim=True) + 1e-4)).clamp(-most, most)


def success_weighted(credit_GK: Tensor, rewards_GK: Tensor, *, lean: Annotated[float, (-1.0, 1.0)] = 0.5) -> Tensor:
    """The group's deviation, weighed by how rarely the prompt succeeds.

    A positive lean works on hard prompts first, a negative one on those that are nearly solved.
    """
    rate_G1 = rewards_GK.mean(1, keepdim=True).clamp(0.0, 1.0)
    return credit_GK / (rewards_GK.std(1, keepdim=True) + 1e-2) * (1.0 + lean * (1.0 - 2.0 * rate_G1))
