"""Slot `decay`: how fast the state fades. `decay(logit_BTH) -> g_BTH`, a log decay, at most 0."""

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F


def no_decay(logit_BTH: Tensor) -> Tensor:
    """Nothing fades.

    Writes alone change the state, as in linear attention and DeltaNet. Old content stays until it is overwritten.
    """
    return torch.zeros_like(logit_BTH)


def softplus_decay(
    logit_BTH: Tensor,
    *,
    rate: Annotated[float, (0.003, 1.0), "log"] = 0.05,
    bias: Annotated[float, (-4.0, 2.0)] = 0.0,
) -> Tensor:
    """Decay by input: rate times softplus, as in Mamba2 and Gated DeltaNet.

    Start slow (a small rate): a state that forgets within a few tokens gets no gradient for remembering.
    """
    return -rate * F.softplus(logit_BTH + bias)


def slow_sigmoid_decay(logit_BTH: Tensor, *, temperature: Annotated[float, (4.0, 64.0), "log"] = 16.0) -> Tensor:
    """The logarithm of a sigmoid, divided by a temperature, as in gated linear attention (arXiv 2312.06635).

    The temperature keeps decays near one at the start.
    """
    return F.logsigmoid(logit_BTH) / temperature


def head_scales(
    logit_BTH: Tensor,
    *,
    longest: Annotated[float, (16.0, 512.0), "log"] = 64.0,
    ratio: Annotated[float, (1.5, 16.0), "log"] = 4.0,
) -> Tensor:
    """Each head fades at a fixed speed of its own, in a geometric series, as in retention (arXiv 2307.08621).

    Several time scales side by side, without gates to learn; content cannot ask to be kept.
    """
    heads = torch.arange(logit_BTH.shape[-1], dtype=logit_BTH.dtype, device=logit_BTH.device)
    return (-(ratio**heads) / longest).expand_as(logit_BTH)
