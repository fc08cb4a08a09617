"""DAPO (arXiv 2503.14476): a higher upper clip, and every token of the batch counts the same.

Its dynamic sampling and its penalty on long answers belong to the sampler and the reward, not to the loss.
"""

from __future__ import annotations

import torch


def advantages(rewards_N, group_ids_N, ctx):
    """How far each reward is from its group's mean, in the group's standard deviations."""
    rewards_GK = rewards_N.view(-1, ctx.group_size)
    centred_GK = rewards_GK - rewards_GK.mean(1, keepdim=True)
    return (centred_GK / (rewards_GK.std(1, keepdim=True) + 1e-4)).flatten()


def policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx):
    """The clipped surrogate, a mean over tokens."""
    ratio_NT = torch.exp(logps_NT - old_NT)
    clipped_NT = ratio_NT.clamp(1 - ctx.epsilon_low, 1 + max(ctx.epsilon_high, 0.28))
    losses_NT = -torch.min(ratio_NT * advantages_N[:, None], clipped_NT * advantages_N[:, None])
    if ctx.correction is not None:
        losses_NT = losses_NT * ctx.correction
    return (losses_NT * mask_NT).sum() / ctx.tokens
