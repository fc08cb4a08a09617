"""Slot `divergence`: what moving away costs. `divergence(to_ref_NT, log_ratio_NT, ctx) -> cost_NT`, from 0 upwards.

`to_ref_NT` is ref - logps, `log_ratio_NT` is logps - old.
"""

from typing import Annotated

import torch
from torch import Tensor


def free(to_ref_NT: Tensor, log_ratio_NT: Tensor, ctx: object) -> Tensor:
    """No divergence term: DAPO's and Dr. GRPO's choice.

    The clip alone keeps the policy near; with a verifier as reward that is often enough.
    """
    return torch.zeros_like(to_ref_NT)


def near_base(
    to_ref_NT: Tensor, log_ratio_NT: Tensor, ctx: object, *, weight: Annotated[float, (0.001, 0.2), "log"] = 0.02
) -> Tensor:
    """GRPO's estimate of the divergence from the base model, exp(d) - d - 1.

    Keeps what the base knows; costs reward when the base has to be left.
    """
    gap_NT = to_ref_NT.clamp(-8.0, 8.0)
    return weight * (torch.exp(gap_NT) - gap_NT - 1.0)


def square_step(
    to_ref_NT: Tensor, log_ratio_NT: Tensor, ctx: object, *, weight: Annotated[float, (0.01, 2.0), "log"] = 0.2
) -> Tensor:
    """The square of the log ratio to the policy that sampled: a soft trust region.

    It has no edge, and it pulls back even where a clip has switched the gradient off.
    """
    return 0.5 * weight * log_ratio_NT.square()


def fading_base(
    to_ref_NT: Tensor, log_ratio_NT: Tensor, ctx: object, *, weight: Annotated[float, (0.005, 0.2), "log"] = 0.05
) -> Tensor:
    """The divergence from the base, weighing less and less during the run.

    Holds the policy while the first, noisy groups come in, and lets go later.
    """
    gap_NT = to_ref_NT.clamp(-8.0, 8.0)
    return weight * (1.0 - ctx.step / max(1, ctx.steps)) * (torch.exp(gap_NT) - gap_NT - 1.0)
