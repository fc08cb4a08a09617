"""The same recurrence as chunked.py, one token after the other: the plain definition that everything is held against.

Slow on purpose, and what a candidate's `recurrent` may use. Shapes as in chunked.py.
"""

from __future__ import annotations

import torch
from torch import Tensor


def stepwise(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    g: Tensor | None = None,
    beta_BTH: Tensor | None = None,
    scale: float | None = None,
    state_BHKV: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Outputs (B, T, H, V) and the state after the last token (B, H, K, V)."""
    b, length, h, key_width = q_BTHK.shape
    scale = key_width**-0.5 if scale is None else scale
    state = k_BTHK.new_zeros(b, h, key_width, v_BTHV.shape[-1]) if state_BHKV is None else state_BHKV
    outputs = []
    for t in range(length):
        if g is not None:
            decay = g[:, t].exp()
            state = state * (decay[..., None] if decay.dim() == 3 else decay[..., None, None])
        k_BHK, v_BHV = k_BTHK[:, t], v_BTHV[:, t]
        if beta_BTH is not None:
            held = torch.einsum("bhkv,bhk->bhv", state, k_BHK)
            v_BHV = beta_BTH[:, t, :, None] * (v_BHV - held)
        state = state + k_BHK[..., None] * v_BHV[..., None, :]
        outputs.append(torch.einsum("bhkv,bhk->bhv", state, q_BTHK[:, t] * scale))
    return torch.stack(outputs, dim=1), state
