"""GSPO (arXiv 2507.18071): one ratio per completion, the geometric mean over its tokens, clipped closely."""

from __future__ import annotations

import torch


def advantages(rewards_N, group_ids_N, ctx):
    """How far each reward is from its group's mean, in the group's standard deviations."""
    rewards_GK = rewards_N.view(-1, ctx.group_size)
    centred_GK = rewards_GK - rewards_GK.mean(1, keepdim=True)
    return (centred_GK / (rewards_GK.std(1, keepdim=True) + 1e-4)).flatten()


def policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx):
    """The clipped surrogate on sequence ratios."""
    log_ratio_N = ((logps_NT - old_NT) * mask_NT).sum(1) / mask_NT.sum(1).clamp(min=1.0)
    ratio_N1 = torch.exp(log_ratio_N)[:, None]
    clipped_N1 = ratio_N1.clamp(1 - min(ctx.epsilon_low, 3e-4), 1 + min(ctx.epsilon_high, 4e-4))
    losses_NT = -torch.min(ratio_N1 * advantages_N[:, None], clipped_N1 * advantages_N[:, None])
    if ctx.correction is not None:
        losses_NT = losses_NT * ctx.correction
    return ((losses_NT * mask_NT).sum(1) / mask_NT.sum(1).clamp(min=1.0)).mean()
