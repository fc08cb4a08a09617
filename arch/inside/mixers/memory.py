"""The four memories that a candidate calls, each on the back end in use: torch (everywhere), fla, or ours (CUDA only).

    o_BTHV, state_BHKV = gated_delta_rule(q_BTHK, k_BTHK, v_BTHV, g, beta_BTH, state=None, steps=False)

`g` is a log decay (<= 0), one number per head (B, T, H) or one per key channel (B, T, H, K). `steps=True` goes token by
token, for `recurrent`. Layout [B, T, H, D] as in flash-linear-attention. `use("fla")` switches; another back end than
torch is imported at its first call. The decay per channel of Kimi Delta Attention is `gated_delta_rule` with a 4-D g.
"""

from __future__ import annotations

from torch import Tensor

from . import backends
from .backends import use
from .chunked import chunked
from .stepwise import stepwise

__all__ = ["decayed_attention", "delta_rule", "gated_delta_rule", "linear_attention", "use"]

Memory = tuple[Tensor, Tensor]


def linear_attention(
    q: Tensor, k: Tensor, v: Tensor, *, scale: float | None = None, state: Tensor | None = None, steps: bool = False
) -> Memory:
    """S <- S + k v^T."""
    return _remember(q, k, v, None, None, scale, state, steps)


def decayed_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    *,
    scale: float | None = None,
    state: Tensor | None = None,
    steps: bool = False,
) -> Memory:
    """S <- exp(g) S + k v^T."""
    return _remember(q, k, v, g, None, scale, state, steps)


def delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    *,
    scale: float | None = None,
    state: Tensor | None = None,
    steps: bool = False,
) -> Memory:
    """S <- S + beta k (v - S^T k)^T. Keys of length one keep it stable for beta in [0, 2]."""
    return _remember(q, k, v, None, beta, scale, state, steps)


def gated_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    beta: Tensor,
    *,
    scale: float | None = None,
    state: Tensor | None = None,
    steps: bool = False,
) -> Memory:
    """S <- exp(g) S, then the delta rule."""
    return _remember(q, k, v, g, beta, scale, state, steps)


def _remember(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None,
    beta: Tensor | None,
    scale: float | None,
    state: Tensor | None,
    steps: bool,
) -> Memory:
    if steps:
        return stepwise(q, k, v, g, beta, scale, state)
    if backends.current() == "torch":
        return chunked(q, k, v, g, beta, scale, state)
    return backends.call(q, k, v, g, beta, scale, state)
