"""A control that ignores the rewards: advantages are drawn at random."""

from __future__ import annotations

import torch


def advantages(rewards_N, group_ids_N, ctx):
    """Noise."""
    return torch.randn(rewards_N.shape, generator=ctx.generator)


def policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx):
    """The clipped surrogate, a mean of means."""
    ratio_NT = torch.exp(logps_NT - old_NT)
    clipped_NT = ratio_NT.clamp(1 - ctx.epsilon_low, 1 + ctx.epsilon_high)
    losses_NT = -torch.min(ratio_NT * advantages_N[:, None], clipped_NT * advantages_N[:, None])
    if ctx.correction is not None:
        losses_NT = losses_NT * ctx.correction
    return ((losses_NT * mask_NT).sum(1) / mask_NT.sum(1).clamp(min=1.0)).mean()
