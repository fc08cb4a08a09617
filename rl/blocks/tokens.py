"""Slot `tokens`: which tokens are learnt from, and how much. Weights carry no gradient.

`tokens(logps_NT, advantages_N1, mask_NT, ctx) -> weight_NT`.
"""

from typing import Annotated

import torch
from torch import Tensor


def every_token(logps_NT: Tensor, advantages_N1: Tensor, mask_NT: Tensor, ctx: object) -> Tensor:
    """All tokens alike: GRPO's.

    The right choice unless something is known about where the mistakes are.
    """
    return torch.ones_like(mask_NT)


def impact_dropout(
    logps_NT: Tensor, advantages_N1: Tensor, mask_NT: Tensor, ctx: object, *,
    share: Annotated[float, (0.02, 0.3), "log"] = 0.1, chance: Annotated[float, (0.1, 0.9)] = 0.5,
) -> Tensor:  # fmt: skip
    """Drops at random some of the tokens with the highest probability times advantage: Algorithm A's.

    What is sure already stops taking most of the step.
    """
    impact_NT = torch.exp(logps_NT.detach()) * advantages_N1.abs() * mask_NT
    least = impact_NT.flatten().topk(max(1, int(share * mask_NT.sum()))).values[-1]
    draw_NT = torch.rand(mask_NT.shape, generator=ctx.generator, device=mask_NT.device)
    return 1.0 - ((impact_NT >= least) & (impact_NT > 0) & (draw_NT < chance)).to(mask_NT.dtype)


def unsure_tokens(
    logps_NT: Tensor, advantages_N1: Tensor, mask_NT: Tensor, ctx: object, *,
    power: Annotated[float, (0.1, 1.5)] = 0.5,
) -> Tensor:  # fmt: skip
    """Tokens weigh by how improbable they were: forks count, fluent continuations do not.

    Behaviour is decided at few tokens; the rest of the gradient is noise.
    """
    return (1.0 - torch.exp(logps_NT.detach()).clamp(max=1.0)).clamp(min=1e-3) ** power


def gentle_punishment(
    logps_NT: Tensor, advantages_N1: Tensor, mask_NT: Tensor, ctx: object, *,
    floor: Annotated[float, (0.001, 0.1), "log"] = 0.01,
) -> Tensor:  # fmt: skip
    """Bad completions' tokens stop being pushed down once they are improbable.

    Pushing down what is rare already spreads probability over everything else.
    """
    is_rare_NT = torch.exp(logps_NT.detach()) < floor
    return torch.where(is_rare_NT & (advantages_N1 < 0), 0.0, 1.0).to(mask_NT.dtype)


def early_tokens(
    logps_NT: Tensor, advantages_N1: Tensor, mask_NT: Tensor, ctx: object, *,
    fade: Annotated[float, (0.5, 1.0)] = 0.9,
) -> Tensor:  # fmt: skip
    """The first tokens count more than the later ones.

    The first tokens choose the behaviour; the later ones follow.
    """
    return fade ** (mask_NT.cumsum(1) - 1.0).clamp(min=0.0)
