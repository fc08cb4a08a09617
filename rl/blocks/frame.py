"""The frame around the blocks: which tensors each of them sees. No block changes what a loss is."""

import math
from typing import Annotated

import torch
from torch import Tensor

USES_REFERENCE = True

# {blocks}


def advantages(rewards_N, group_ids_N, ctx):
    """Credit within each group, then its scale."""
    rewards_GK = rewards_N.view(-1, ctx.group_size)
    return scale(credit(rewards_GK), rewards_GK).flatten()


def policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx):
    """The surrogate and the divergence, over the tokens that are chosen, as the aggregate weighs them."""
    gains_NT = surrogate(logps_NT, old_NT, advantages_N[:, None], mask_NT, ctx)
    if ctx.correction is not None:
        gains_NT = gains_NT * ctx.correction
    chosen_NT = mask_NT * tokens(logps_NT, advantages_N[:, None], mask_NT, ctx)
    losses_NT = (divergence(ref_NT - logps_NT, logps_NT - old_NT, ctx) - gains_NT) * chosen_NT
    return aggregate(losses_NT, mask_NT, ctx)
