"""RLOO (arXiv 2402.14740): each reward against the mean of the others in its group."""

from __future__ import annotations

import torch


def advantages(rewards_N, group_ids_N, ctx):
    """How far each reward is from the mean of the group's other rewards."""
    rewards_GK = rewards_N.view(-1, ctx.group_size)
    others_GK = (rewards_GK.sum(1, keepdim=True) - rewards_GK) / max(1, ctx.group_size - 1)
    return (rewards_GK - others_GK).flatten()


def policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx):
    """The clipped surrogate, a mean over tokens."""
    ratio_NT = torch.exp(logps_NT - old_NT)
    clipped_NT = ratio_NT.clamp(1 - ctx.epsilon_low, 1 + ctx.epsilon_high)
    losses_NT = -torch.min(ratio_NT * advantages_N[:, None], clipped_NT * advantages_N[:, None])
    if ctx.correction is not None:
        losses_NT = losses_NT * ctx.correction
    return (losses_NT * mask_NT).sum() / ctx.tokens
