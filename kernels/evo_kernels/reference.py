"""Plain torch references of the delta rule and the gated delta rule: step by step, and in chunks.

`recurrent` is the definition, one token after the other, in the dtype that it is given (float64 for comparisons; half
precision is raised to float32). `chunked` is the same function as the kernels compute it, on any device, with torch
operators only. Both are differentiable by autograd and take packed sequences; neither is fast.

Shapes: B batch, T tokens, H query and key heads, Z value heads (a multiple of H), K and V head dimensions, N sequences,
C tokens of a chunk. Layout is [B,T,H,K], as in flash-linear-attention. The state is S_NZKV.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 64


class Inputs(NamedTuple):
    """Arguments brought to one form: one entry per value head, the scale inside q, the gate always there."""

    q_BTZK: Tensor
    k_BTZK: Tensor
    v_BTZV: Tensor
    g_BTZ: Tensor
    beta_BTZ: Tensor


#: (a stretch of tokens, the state before it) -> (its outputs, the state after it)
Rule = Callable[[Inputs, Tensor], tuple[Tensor, Tensor]]
#: `recurrent` or `chunked`
WholeRule = Callable[..., tuple[Tensor, Tensor]]


def recurrent(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTZV: Tensor,
    beta_BTZ: Tensor,
    g_BTZ: Tensor | None = None,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Outputs [B,T,Z,V] and final states [N,Z,K,V]; `g_BTZ` is the logarithm of the decay, None for no decay.

    S_t = exp(g_t) S_{t-1} + beta_t k_t (v_t - exp(g_t) S_{t-1}^T k_t)^T,  o_t = scale S_t^T q_t
    """
    inputs = _prepare(q_BTHK, k_BTHK, v_BTZV, beta_BTZ, g_BTZ, scale)
    o_BTZV, final_NZKV = _per_sequence(_steps, inputs, initial_state, cu_seqlens)
    return o_BTZV.to(q_BTHK.dtype), final_NZKV


def chunked(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTZV: Tensor,
    beta_BTZ: Tensor,
    g_BTZ: Tensor | None = None,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The same function of the same arguments as `recurrent`, a chunk at a time."""
    inputs = _prepare(q_BTHK, k_BTHK, v_BTZV, beta_BTZ, g_BTZ, scale)
    o_BTZV, final_NZKV = _per_sequence(_chunks, inputs, initial_state, cu_seqlens)
    return o_BTZV.to(q_BTHK.dtype), final_NZKV


def _prepare(
    q_BTHK: Tensor, k_BTHK: Tensor, v_BTZV: Tensor, beta_BTZ: Tensor, g_BTZ: Tensor | None, scale: float | None
) -> Inputs:
    dtype = torch.promote_types(q_BTHK.dtype, torch.float32)
    group = v_BTZV.shape[2] // q_BTHK.shape[2]
    factor = q_BTHK.shape[-1] ** -0.5 if scale is None else scale
    q_BTZK, k_BTZK = (x.to(dtype).repeat_interleave(group, dim=2) for x in (q_BTHK, k_BTHK))
    beta = beta_BTZ.to(dtype)
    g = torch.zeros_like(beta) if g_BTZ is None else g_BTZ.to(dtype)
    return Inputs(q_BTZK * factor, k_BTZK, v_BTZV.to(dtype), g, beta)


def _per_sequence(
    rule: Rule, inputs: Inputs, initial_state: Tensor | None, cu_seqlens: Tensor | None
) -> tuple[Tensor, Tensor]:
    """`rule` over the whole batch, or over every packed sequence on its own; an empty one keeps its first state."""
    if cu_seqlens is None:
        return rule(inputs, _first_state(inputs, inputs.q_BTZK.shape[0], initial_state))
    bounds = cu_seqlens.tolist()
    states_NZKV = _first_state(inputs, len(bounds) - 1, initial_state)
    outputs, finals = [inputs.v_BTZV[:, :0]], []
    for n, (start, end) in enumerate(pairwise(bounds)):
        o_1TZV, final_1ZKV = inputs.v_BTZV[:, :0], states_NZKV[n : n + 1]
        if end > start:
            o_1TZV, final_1ZKV = rule(Inputs(*(x[:, start:end] for x in inputs)), final_1ZKV)
        outputs.append(o_1TZV)
        finals.append(final_1ZKV)
    return torch.cat(outputs, dim=1), torch.cat(finals)


def _first_state(inputs: Inputs, sequences: int, initial_state: Tensor | None) -> Tensor:
    if initial_state is not None:
        return initial_state.to(inputs.v_BTZV.dtype)
    heads, key_dim, value_dim = inputs.v_BTZV.shape[2], inputs.k_BTZK.shape[-1], inputs.v_BTZV.shape[-1]
    return inputs.v_BTZV.new_zeros(sequences, heads, key_dim, value_dim)


def _steps(inputs: Inputs, state_BZKV: Tensor) -> tuple[Tensor, Tensor]:
    outputs = []
    for q_BZK, k_BZK, v_BZV, g_BZ, beta_BZ in zip(*(x.unbind(1) for x in inputs), strict=True):
        state_BZKV = state_BZKV * g_BZ.exp()[..., None, None]
        recalled_BZV = torch.einsum("bzk,bzkv->bzv", k_BZK, state_BZKV)
        change_BZV = beta_BZ[..., None] * (v_BZV - recalled_BZV)
        state_BZKV = state_BZKV + k_BZK[..., :, None] * change_BZV[..., None, :]
        outputs.append(torch.einsum("bzk,bzkv->bzv", q_BZK, state_BZKV))
    return torch.stack(outputs, dim=1), state_BZKV


def _chunks(inputs: Inputs, state_BZKV: Tensor) -> tuple[Tensor, Tensor]:
    outputs = []
    for part in zip(*(_split(x) for x in inputs), strict=True):
        o_BCZV, state_BZKV = _one_chunk(Inputs(*part), state_BZKV)
        outputs.append(o_BCZV)
    return torch.cat(outputs, dim=1), state_BZKV


def _split(x_BT: Tensor) -> list[Tensor]:
    tokens = x_BT.shape[1]
    return [x_BT[:, start : start + CHUNK] for start in range(0, tokens, CHUNK)]


def _one_chunk(inputs: Inputs, state_BZKV: Tensor) -> tuple[Tensor, Tensor]:
    """The formulas of docs/kernels.md; the last chunk of a sequence may be shorter."""
    q_BZCK, k_BZCK, v_BZCV = (x.transpose(1, 2) for x in inputs[:3])
    beta_BZC1 = inputs.beta_BTZ.transpose(1, 2)[..., None]
    gc_BZC = inputs.g_BTZ.transpose(1, 2).cumsum(-1)
    eg_BZC1 = gc_BZC.exp()[..., None]
    decay_BZCC = _decay(gc_BZC)

    X_BZCC = (beta_BZC1 * (k_BZCK @ k_BZCK.mT) * decay_BZCC).tril(-1)
    rhs = torch.cat([beta_BZC1 * v_BZCV, beta_BZC1 * eg_BZC1 * k_BZCK], dim=-1)
    # unitriangular: the diagonal of ones is not read
    solved = torch.linalg.solve_triangular(X_BZCC, rhs, upper=False, unitriangular=True)
    u_BZCV, w_BZCK = solved[..., : v_BZCV.shape[-1]], solved[..., v_BZCV.shape[-1] :]
    change_BZCV = u_BZCV - w_BZCK @ state_BZKV
    P_BZCC = (q_BZCK @ k_BZCK.mT) * decay_BZCC
    o_BZCV = (q_BZCK * eg_BZC1) @ state_BZKV + P_BZCC @ change_BZCV

    last_BZ11 = gc_BZC[..., -1:, None]
    left_BZCK = k_BZCK * (last_BZ11 - gc_BZC[..., None]).exp()
    return o_BZCV.transpose(1, 2), state_BZKV * last_BZ11.exp() + left_BZCK.mT @ change_BZCV


def _decay(gc_BZC: Tensor) -> Tensor:
    """exp(gc_i - gc_j) for i >= j, else 0; masked before exp, which would overflow above the diagonal."""
    length = gc_BZC.shape[-1]
    below = torch.ones(length, length, dtype=torch.bool, device=gc_BZC.device).tril()
    return (gc_BZC[..., :, None] - gc_BZC[..., None, :]).masked_fill(~below, -torch.inf).exp()
