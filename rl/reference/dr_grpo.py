"""Dr. GRPO (arXiv 2503.20783): no division by the deviation, and a constant in place of the completion's length."""

from __future__ import annotations

import torch


def advantages(rewards_N, group_ids_N, ctx):
    """How far each reward is from its group's mean."""
    rewards_GK = rewards_N.view(-1, ctx.group_size)
    return (rewards_GK - rewards_GK.mean(1, keepdim=True)).flatten()


def policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx):
    """The clipped surrogate, summed, over a length that no completion decides."""
    ratio_NT = torch.exp(logps_NT - old_NT)
    clipped_NT = ratio_NT.clamp(1 - ctx.epsilon_low, 1 + ctx.epsilon_high)
    losses_NT = -torch.min(ratio_NT * advantages_N[:, None], clipped_NT * advantages_N[:, None])
    if ctx.correction is not None:
        losses_NT = losses_NT * ctx.correction
    return (losses_NT * mask_NT).sum() / (len(logps_NT) * ctx.longest)
