"""SAPO (arXiv 2511.20347): a sigmoid gate in place of the hard clip, steeper where the advantage is negative."""

from __future__ import annotations

import torch


def advantages(rewards_N, group_ids_N, ctx):
    """How far each reward is from its group's mean, in the group's standard deviations."""
    rewards_GK = rewards_N.view(-1, ctx.group_size)
    centred_GK = rewards_GK - rewards_GK.mean(1, keepdim=True)
    return (centred_GK / (rewards_GK.std(1, keepdim=True) + 1e-4)).flatten()


def policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx):
    """The gated surrogate, a mean of means."""
    steep_N1 = torch.where(advantages_N > 0, 1.0, 1.05)[:, None]
    gate_NT = torch.sigmoid(steep_N1 * (torch.exp(logps_NT - old_NT) - 1)) * 4 / steep_N1
    losses_NT = -gate_NT * advantages_N[:, None]
    if ctx.correction is not None:
        losses_NT = losses_NT * ctx.correction
    return ((losses_NT * mask_NT).sum(1) / mask_NT.sum(1).clamp(min=1.0)).mean()
