"""One chunked core for linear attention, scalar or per-channel decay, the delta rule and its gated forms.

The recurrence, per batch entry and head, with state S of shape (K, V), key k, value v, query q, log decay g <= 0 and
write strength beta (all optional parts left out where they are None):

    S <- exp(g) S                         decay: one number per head, or one per key channel
    S <- S + beta k (v - S^T k)^T         the delta rule; without beta: S <- S + k v^T
    o  = scale S^T q

In chunks of C tokens, with G the running sum of g inside a chunk and L_ij = exp(G_i - G_j) for j <= i: the values that
are really written solve a unit lower-triangular system,
(I + strictly_lower(beta (k k^T) * L)) u = beta (v - exp(G) k S).
Everything else is products of (C, C) and (C, D) matrices, so the cost grows linearly with T. The gated delta rule in
this form: Gated Delta Networks, arXiv 2412.06464.

Shapes: B batch, T time, H heads, K key channels, V value channels, N chunks, C chunk length.
Works in any floating dtype; half precision is computed in float32 and returned in the dtype of v. No T is special:
the last chunk is padded with empty writes. It does not choose a back end (memory.py does).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 64
CHANNEL_CHUNK = 16  # with a decay per channel each chunk makes a (C, C, K) tensor, exact for any decay


class _Chunks(NamedTuple):
    """The inputs cut in chunks, (B, H, N, C, ...), and their running decay."""

    q: Tensor
    k: Tensor
    v: Tensor
    beta: Tensor | None  # (B, H, N, C, 1)
    gsum: Tensor | None  # (B, H, N, C, 1) or (B, H, N, C, K): sum of g from the chunk's start up to here, inclusive


def chunked(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    g: Tensor | None = None,
    beta_BTH: Tensor | None = None,
    scale: float | None = None,
    state_BHKV: Tensor | None = None,
    chunk: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Outputs (B, T, H, V) and the state after the last token (B, H, K, V). `g` is (B, T, H) or (B, T, H, K)."""
    dtype, length = v_BTHV.dtype, q_BTHK.shape[1]
    scale = q_BTHK.shape[-1] ** -0.5 if scale is None else scale
    per_channel = g is not None and g.dim() == 4
    size = min(chunk or (CHANNEL_CHUNK if per_channel else CHUNK), max(length, 1))
    parts = _cut(_wide(q_BTHK) * scale, _wide(k_BTHK), _wide(v_BTHV), g, beta_BTH, size)
    b, h, n = parts.q.shape[:3]
    state = parts.k.new_zeros(b, h, parts.k.shape[-1], parts.v.shape[-1]) if state_BHKV is None else _wide(state_BHKV)
    scores, written, erased = _within(parts)
    outputs = []
    for i in range(n):
        q, k, u = parts.q[:, :, i], parts.k[:, :, i], written[:, :, i]
        if erased is not None:
            u = u - erased[:, :, i] @ state
        if parts.gsum is None:
            outputs.append(q @ state + scores[:, :, i] @ u)
            state = state + k.mT @ u
            continue
        gsum = parts.gsum[:, :, i]
        total = gsum[:, :, -1:]
        outputs.append((q * gsum.exp()) @ state + scores[:, :, i] @ u)
        state = state * total.exp().mT + (k * (total - gsum).exp()).mT @ u
    o_BHTV = torch.cat(outputs, dim=2)[:, :, :length]
    return o_BHTV.transpose(1, 2).to(dtype), state


def _wide(x: Tensor) -> Tensor:
    """Half precision in float32, the rest as it is."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _cut(q: Tensor, k: Tensor, v: Tensor, g: Tensor | None, beta: Tensor | None, size: int) -> _Chunks:
    gsum = None
    if g is not None:
        gsum = _pieces(_wide(g) if g.dim() == 4 else _wide(g).unsqueeze(-1), size).cumsum(3)
    strength = None if beta is None else _pieces(_wide(beta).unsqueeze(-1), size)
    return _Chunks(_pieces(q, size), _pieces(k, size), _pieces(v, size), strength, gsum)


def _pieces(x_BTHX: Tensor, size: int) -> Tensor:
    """(B, T, H, X) as (B, H, N, C, X), padded with zeros: no write, no decay."""
    missing = -x_BTHX.shape[1] % size
    x_BHTX = x_BTHX.transpose(1, 2)
    if missing:
        x_BHTX = torch.nn.functional.pad(x_BHTX, (0, 0, 0, missing))
    b, h, length, width = x_BHTX.shape
    return x_BHTX.reshape(b, h, length // size, size, width)


def _within(parts: _Chunks) -> tuple[Tensor, Tensor, Tensor | None]:
    """Per chunk: masked scores (C, C), what an empty state would be given (C, V), what the state takes off (C, K)."""
    size = parts.q.shape[3]
    lower_CC = torch.ones(size, size, dtype=torch.bool, device=parts.q.device).tril()
    scores, overlaps = _products(parts, lower_CC)
    if parts.beta is None or overlaps is None:
        return scores, parts.v, None
    system = (overlaps * parts.beta).masked_fill(~lower_CC.tril(-1), 0.0)
    system = system + torch.eye(size, dtype=system.dtype, device=system.device)
    k_decayed = parts.k if parts.gsum is None else parts.k * parts.gsum.exp()
    right = torch.cat([parts.v, k_decayed], dim=-1) * parts.beta
    solved = torch.linalg.solve_triangular(system, right, upper=False, unitriangular=True)
    written, erased = solved.split([parts.v.shape[-1], parts.k.shape[-1]], dim=-1)
    return scores, written, erased


def _products(parts: _Chunks, lower_CC: Tensor) -> tuple[Tensor, Tensor | None]:
    """q k^T and (for the delta rule) k k^T, each times the decay between the two places, zero above the diagonal."""
    wants_overlaps = parts.beta is not None
    if parts.gsum is not None and parts.gsum.shape[-1] > 1:
        return _channel_products(parts, lower_CC, parts.gsum, wants_overlaps)
    scores = (parts.q @ parts.k.mT).masked_fill(~lower_CC, 0.0)
    overlaps = (parts.k @ parts.k.mT).masked_fill(~lower_CC, 0.0) if wants_overlaps else None
    if parts.gsum is not None:
        between = (parts.gsum - parts.gsum.mT).masked_fill(~lower_CC, -torch.inf).exp()  # masked first: exp overflows
        scores, overlaps = scores * between, None if overlaps is None else overlaps * between
    return scores, overlaps


def _channel_products(
    parts: _Chunks, lower_CC: Tensor, gsum: Tensor, wants_overlaps: bool
) -> tuple[Tensor, Tensor | None]:
    """The same with a decay per key channel. Differences are taken before exp, so no decay is too strong."""
    between = (gsum.unsqueeze(4) - gsum.unsqueeze(3)).masked_fill(~lower_CC.unsqueeze(-1), -torch.inf).exp()
    faded = between * parts.k.unsqueeze(3)  # (B, H, N, C_i, C_j, K)
    scores = (faded @ parts.q.unsqueeze(-1)).squeeze(-1)
    overlaps = (faded @ parts.k.unsqueeze(-1)).squeeze(-1) if wants_overlaps else None
    return scores, overlaps
