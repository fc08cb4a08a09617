"""VESPO, as TRL ships it: a smooth weight on the whole completion's ratio, detached, one at ratio one."""

from __future__ import annotations

import math

import torch


def advantages(rewards_N, group_ids_N, ctx):
    """How far each reward is from its group's mean, in the group's standard deviations."""
    rewards_GK = rewards_N.view(-1, ctx.group_size)
    centred_GK = rewards_GK - rewards_GK.mean(1, keepdim=True)
    return (centred_GK / (rewards_GK.std(1, keepdim=True) + 1e-4)).flatten()


def policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx):
    """REINFORCE weighed by exp(l) w^k exp(-l w), w the completion's ratio; a mean over tokens."""
    log_ratio_NT = (logps_NT - old_NT).detach().clamp(-20.0, 20.0)
    log_ratio_N1 = (log_ratio_NT * mask_NT).sum(1, keepdim=True)
    lowest = math.log(1e-8)
    if ctx.correction is not None:
        log_ratio_N1 = log_ratio_N1 + torch.log(ctx.correction).clamp(lowest, 20.0).sum(1, keepdim=True)
    log_ratio_N1 = log_ratio_N1.clamp(lowest, 20.0)
    power_N1 = torch.where(advantages_N >= 0, 2.0, 3.0)[:, None]
    decay_N1 = torch.where(advantages_N >= 0, 3.0, 2.0)[:, None]
    weight_N1 = torch.exp(decay_N1 + power_N1 * log_ratio_N1 - decay_N1 * torch.exp(log_ratio_N1))
    losses_NT = -weight_N1.nan_to_num(0.0, 0.0, 0.0) * advantages_N[:, None] * logps_NT
    return (losses_NT * mask_NT).sum() / ctx.tokens
