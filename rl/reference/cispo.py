"""CISPO (MiniMax-M1, arXiv 2506.13585): the ratio weighs the log-probability's gradient and is cut from above."""

from __future__ import annotations

import torch


def advantages(rewards_N, group_ids_N, ctx):
    """How far each reward is from its group's mean, in the group's standard deviations."""
    rewards_GK = rewards_N.view(-1, ctx.group_size)
    centred_GK = rewards_GK - rewards_GK.mean(1, keepdim=True)
    return (centred_GK / (rewards_GK.std(1, keepdim=True) + 1e-4)).flatten()


def policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx):
    """REINFORCE with capped, detached ratios, a mean over tokens."""
    weight_NT = torch.exp(logps_NT - old_NT).clamp(max=max(ctx.epsilon_high, 5.0)).detach()
    losses_NT = -weight_NT * advantages_N[:, None] * logps_NT
    if ctx.correction is not None:
        losses_NT = losses_NT * ctx.correction
    return (losses_NT * mask_NT).sum() / ctx.tokens
