"""The paper's Algorithm B, budget-constrained dynamic radius (section 4.3), in our reading of its description.

The log ratio inside the surrogate is kept within ln(Z_CAP / |A|) of zero, so that ratio x |A| <= Z_CAP. That is a bound
on the surrogate's ratio, not on the policy's own, and the radius is not literally inversely proportional to |A|. Ours
are: the centre (midpoint of median and mean), the scale (half of the range from the 10th to the 90th percentile, at
least 0.25, since with rewards of 0 and 1 it collapses) and Z_CAP = 3.
"""

from __future__ import annotations

import torch

Z_CAP = 3.0


def advantages(rewards_N, group_ids_N, ctx):
    """Rewards against a centre and a scale from the group's percentiles, within Z_CAP."""
    rewards_GK = rewards_N.view(-1, ctx.group_size)
    centre_G1 = 0.5 * (rewards_GK.median(1, keepdim=True).values + rewards_GK.mean(1, keepdim=True))
    at = torch.tensor([0.1, 0.9], dtype=rewards_N.dtype, device=rewards_N.device)
    low_G, high_G = torch.quantile(rewards_GK, at, dim=1)
    scale_G1 = (0.5 * (high_G - low_G)).clamp(min=0.25)[:, None]
    return ((rewards_GK - centre_G1) / scale_G1).clamp(-Z_CAP, Z_CAP).flatten()


def within_budget(log_ratio_NT, advantages_N):
    """The log ratio, kept within the radius that the budget leaves to its advantage."""
    radius_N1 = torch.log(Z_CAP / advantages_N.abs().clamp(1e-3, Z_CAP))[:, None]
    return torch.max(torch.min(log_ratio_NT, radius_N1), -radius_N1)


def policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx):
    """The surrogate with the bounded ratio, a mean over tokens."""
    ratio_NT = torch.exp(within_budget(logps_NT - old_NT, advantages_N))
    losses_NT = -ratio_NT * advantages_N[:, None]
    if ctx.correction is not None:
        losses_NT = losses_NT * ctx.correction
    return (losses_NT * mask_NT).sum() / ctx.tokens
