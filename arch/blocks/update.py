"""Slot `update`: the memory. `update(q, k, v, g, beta, state, steps) -> (o_BTHD, state)`; g, beta are (B, T, H)."""

from typing import Annotated

import torch
from mixers import decayed_attention, delta_rule, gated_delta_rule, linear_attention
from torch import Tensor


def delta(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, state: Tensor | None, steps: bool
) -> tuple[Tensor, Tensor]:
    """The delta rule: a write replaces what its key held before (arXiv 2406.06484).

    The rule for keys that are bound again and again. The decay slot has no effect.
    """
    return delta_rule(q, k, v, beta, state=state, steps=steps)


def gated_delta(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, state: Tensor | None, steps: bool
) -> tuple[Tensor, Tensor]:
    """The delta rule on a state that fades first (arXiv 2412.06464).

    Fading clears what no key will ask for again; overwriting stays exact.
    """
    return gated_delta_rule(q, k, v, g, beta, state=state, steps=steps)


def channel_delta(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    beta: Tensor,
    state: Tensor | None,
    steps: bool,
    *,
    spread: Annotated[float, (1.0, 16.0), "log"] = 4.0,
) -> tuple[Tensor, Tensor]:
    """The gated delta rule with another speed of fading in each key channel.

    The decay per channel of Kimi Delta Attention (arXiv 2510.26692), with fixed ratios.
    Slow channels keep, fast ones clear.
    """
    place = torch.linspace(-1.0, 1.0, k.shape[-1], dtype=k.dtype, device=k.device)
    return gated_delta_rule(q, k, v, g[..., None] * spread**place, beta, state=state, steps=steps)


def decayed_sum(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, state: Tensor | None, steps: bool
) -> tuple[Tensor, Tensor]:
    """A fading sum of writes, as in Mamba2 (arXiv 2405.21060).

    Cheap and stable. Old values under a key are not removed, only outweighed by newer ones.
    """
    return decayed_attention(q, k, v * beta[..., None], g, state=state, steps=steps)


def plain_sum(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, state: Tensor | None, steps: bool
) -> tuple[Tensor, Tensor]:
    """The sum of all writes: linear attention (arXiv 2006.16236).

    Nothing is forgotten and nothing is replaced; all values that a key ever had come back added up.
    """
    return linear_attention(q, k, v * beta[..., None], state=state, steps=steps)
