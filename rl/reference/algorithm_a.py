"""The paper's Algorithm A, pairwise asymmetric optimisation (section 4.3), in our reading of its description.

Ours are: rewards half apart count as one in the tanh, the clip window (0.2, 0.28) mirrored for negative advantages, and
dropping with probability one half the tenth of the tokens with the highest probability x |advantage|. With rewards of 0
and 1 the advantage is a constant times RLOO's: only the clip and the dropout are new there.
"""

from __future__ import annotations

import torch


def advantages(rewards_N, group_ids_N, ctx):
    """The mean over the group of tanh of the difference to each other reward."""
    rewards_GK = rewards_N.view(-1, ctx.group_size)
    pairs_GKK = torch.tanh((rewards_GK[:, :, None] - rewards_GK[:, None, :]) / 0.5)
    return pairs_GKK.mean(2).flatten()


def kept(logps_NT, advantages_N, mask_NT, ctx):
    """The mask without some of the tokens that would move the policy most."""
    impact_NT = torch.exp(logps_NT.detach()) * advantages_N[:, None].abs() * mask_NT
    count = int(0.1 * mask_NT.sum())
    if count == 0:
        return mask_NT
    least = impact_NT.flatten().topk(count).values[-1]
    draw_NT = torch.rand(mask_NT.shape, generator=ctx.generator, device=mask_NT.device)
    dropped_NT = (impact_NT >= least) & (impact_NT > 0) & (draw_NT < 0.5)
    return mask_NT * ~dropped_NT


def policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx):
    """The asymmetrically clipped surrogate, a mean over the tokens that are kept."""
    ratio_NT = torch.exp(logps_NT - old_NT)
    is_good_N1 = (advantages_N >= 0)[:, None]
    down_N1, up_N1 = torch.where(is_good_N1, 0.2, 0.28), torch.where(is_good_N1, 0.28, 0.2)
    clipped_NT = torch.max(torch.min(ratio_NT, 1 + up_N1), 1 - down_N1)
    losses_NT = -torch.min(ratio_NT * advantages_N[:, None], clipped_NT * advantages_N[:, None])
    if ctx.correction is not None:
        losses_NT = losses_NT * ctx.correction
    return (losses_NT * kept(logps_NT, advantages_N, mask_NT, ctx)).sum() / ctx.tokens
