"""Tests of the loss beside this file, without TRL: `python -m PACKAGE.selftest`. Needs torch alone."""

import torch

from .loss import USES_A_REFERENCE, Context, advantages, policy_loss

GROUPS, EACH, LENGTH = 4, 8, 12


def context(ids, mask):
    """As the trainer gives it in the second pass."""
    return Context(
        step=1, steps=10, iteration=1, group_size=EACH, epsilon_low=0.2, epsilon_high=0.2,
        beta=0.04 if USES_A_REFERENCE else 0.0, longest=LENGTH, tokens=float(mask.sum()), group_ids=ids,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip


def case():
    """Random inputs; both rewards occur in every group."""
    chance = torch.Generator().manual_seed(1)
    rewards = (torch.rand(GROUPS, EACH, generator=chance) < 0.4).float()
    rewards[:, 0], rewards[:, -1] = 1.0, 0.0
    ids = torch.arange(GROUPS).repeat_interleave(EACH)
    logps = -2.0 * torch.rand(GROUPS * EACH, LENGTH, generator=chance) - 0.05
    mask = (torch.arange(LENGTH) < torch.randint(1, LENGTH + 1, (GROUPS * EACH, 1), generator=chance)).float()
    return rewards, ids, logps.requires_grad_(), mask


def main():
    """Shapes, finite gradients, sign. Prints one line."""
    rewards, ids, logps, mask = case()
    ctx = context(ids, mask)
    worth = advantages(rewards.flatten(), ids, ctx)
    assert worth.shape == ids.shape, worth.shape
    old = logps.detach()
    loss = policy_loss(logps, old, old.clone() if USES_A_REFERENCE else None, worth, mask, ctx)
    assert loss.dim() == 0, loss.shape
    (slope,) = torch.autograd.grad(loss, logps)
    assert bool(torch.isfinite(slope).all())
    better = (rewards - rewards.mean(1, keepdim=True)).flatten()[:, None] * mask
    assert float((slope * better).sum()) < 0, "raising better completions' probability has to lower the loss"
    print("the loss has the right form, finite gradients and the right sign")


if __name__ == "__main__":
    main()
