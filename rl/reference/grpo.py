"""GRPO (arXiv 2402.03300): clipped ratios, averaged within each completion, then over completions."""

from __future__ import annotations

import torch


def advantages(rewards_N, group_ids_N, ctx):
    """How far each reward is from its group's mean, in the group's standard deviations."""
    rewards_GK = rewards_N.view(-1, ctx.group_size)
    centred_GK = rewards_GK - rewards_GK.mean(1, keepdim=True)
    return (centred_GK / (rewards_GK.std(1, keepdim=True) + 1e-4)).flatten()


def policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx):
    """The clipped surrogate, a mean of means."""
    ratio_NT = torch.exp(logps_NT - old_NT)
    clipped_NT = ratio_NT.clamp(1 - ctx.epsilon_low, 1 + ctx.epsilon_high)
    losses_NT = -torch.min(ratio_NT * advantages_N[:, None], clipped_NT * advantages_N[:, None])
    if ctx.correction is not None:
        losses_NT = losses_NT * ctx.correction
    return ((losses_NT * mask_NT).sum(1) / mask_NT.sum(1).clamp(min=1.0)).mean()
