"""Slot `write`: how strongly a token is written. `write(logit_BTH) -> beta_BTH`, within [0, 2]."""

from typing import Annotated

from torch import Tensor


def sigmoid_write(
    logit_BTH: Tensor, *, most: Annotated[float, (0.5, 2.0)] = 1.0, bias: Annotated[float, (-2.0, 3.0)] = 0.0
) -> Tensor:
    """Each token decides by a sigmoid how much it writes.

    A bias sets the strength at the start of training; a maximum above one lets the state's eigenvalues become negative.
    """
    return most * (logit_BTH + bias).sigmoid()


def floor_write(
    logit_BTH: Tensor,
    *,
    floor: Annotated[float, (0.0, 0.8)] = 0.2,
    sharpness: Annotated[float, (0.5, 4.0), "log"] = 1.0,
) -> Tensor:
    """The write strength never falls below a floor.

    A floor keeps gradients flowing through every write early in training; too high a floor writes noise.
    """
    return floor + (1.0 - floor) * (sharpness * logit_BTH).sigmoid()


def full_write(logit_BTH: Tensor, *, least: Annotated[float, (0.5, 1.0)] = 0.9) -> Tensor:
    """Nearly everything is written in full.

    The old value under a key is replaced at once. Good when keys are distinct, bad when filler shares their direction.
    """
    return least + (1.0 - least) * logit_BTH.sigmoid()


def hard_write(logit_BTH: Tensor, *, slope: Annotated[float, (0.1, 1.0), "log"] = 0.3) -> Tensor:
    """A clipped line instead of a sigmoid: writing can be switched off exactly.

    Tokens that carry nothing leave the state alone; where it is clipped no gradient flows.
    """
    return (0.5 + slope * logit_BTH).clamp(0.0, 1.0)
