"""The proxy's models in numpy: what a weights file says about a completion. Trusted, no torch, no candidate.

The same arithmetic as rl/inside/policy.py; a test holds them together.

Shapes: N sequences, S places, H heads, E head width, D width, V vocabulary, T completion tokens.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rl.inside.shape import Shape
from rl.inside.sorting import Tokens

ROTARY_BASE = 10_000.0
Array = NDArray[np.float32]
Parameters = Mapping[str, Array]


def completion_logps(p: Parameters, shape: Shape, prompts_NP: Tokens, tokens_NT: Tokens) -> Array:
    """Log-probabilities of the completions' tokens, (N, T)."""
    whole_NS = np.concatenate([prompts_NP, tokens_NT[:, :-1]], axis=1)
    logits_NTV = logits(p, shape, whole_NS)[:, prompts_NP.shape[1] - 1 :]
    top_NT1 = logits_NTV.max(-1, keepdims=True)
    logarithms_NTV = logits_NTV - top_NT1 - np.log(np.exp(logits_NTV - top_NT1).sum(-1, keepdims=True))
    chosen_NT: Array = np.take_along_axis(logarithms_NTV, tokens_NT[..., None], -1)[..., 0]
    return chosen_NT


def logits(p: Parameters, shape: Shape, tokens_NS: Tokens) -> Array:
    """Next-token logits, (N, S, V)."""
    h_NSD = p["embedding"][tokens_NS]
    if shape.family == "gpt":
        h_NSD = h_NSD + p["places"][: tokens_NS.shape[1]]
    for layer in range(shape.layers):
        own = {name.partition(".")[2]: value for name, value in p.items() if name.startswith(f"{layer}.")}
        h_NSD = h_NSD + _attention(own, shape, _norm(own, "before", h_NSD))
        h_NSD = h_NSD + _mlp(own, shape, _norm(own, "after", h_NSD))
    head_VD = p["head"] if shape.family == "qwen" else p["embedding"]
    return _norm(p, "last", h_NSD) @ head_VD.T


def _norm(p: Parameters, name: str, x: Array) -> Array:
    has_bias = f"{name}_bias" in p
    centred: Array = x - x.mean(-1, keepdims=True) if has_bias else x
    size: Array = np.sqrt(np.square(centred).mean(-1, keepdims=True) + (1e-5 if has_bias else 1e-6))
    scaled: Array = centred / size * p[name]
    return scaled + p[f"{name}_bias"] if has_bias else scaled


def _attention(p: Parameters, shape: Shape, x_NSD: Array) -> Array:
    n, s, _ = x_NSD.shape
    parts = (x_NSD @ p["qkv"].T).reshape(n, s, 3, shape.heads, shape.head_width).transpose(2, 0, 3, 1, 4)
    q, k, v = parts
    if shape.family == "qwen":
        q, k = (_rotated(_norm(p, name, x)) for name, x in (("q_norm", q), ("k_norm", k)))
    scores_NHSS = q @ k.swapaxes(-1, -2) / np.float32(np.sqrt(shape.head_width))
    scores_NHSS = np.where(np.tri(s, dtype=bool), scores_NHSS, -np.inf)
    weights_NHSS = np.exp(scores_NHSS - scores_NHSS.max(-1, keepdims=True))
    o_NHSE = (weights_NHSS / weights_NHSS.sum(-1, keepdims=True)) @ v
    mixed_NSD: Array = o_NHSE.swapaxes(1, 2).reshape(n, s, shape.width) @ p["out"].T
    return mixed_NSD


def _rotated(x_NHSE: Array) -> Array:
    half = x_NHSE.shape[-1] // 2
    angle_SE = np.arange(x_NHSE.shape[-2])[:, None] * ROTARY_BASE ** (-np.arange(half) / half)
    low, high = x_NHSE[..., :half], x_NHSE[..., half:]
    cosine, sine = np.cos(angle_SE).astype(np.float32), np.sin(angle_SE).astype(np.float32)
    return np.concatenate([low * cosine - high * sine, high * cosine + low * sine], axis=-1)


def _mlp(p: Parameters, shape: Shape, x_NSD: Array) -> Array:
    if shape.family == "qwen":
        gate, up = np.split(x_NSD @ p["up"].T, 2, axis=-1)
        gated: Array = (gate / (1.0 + np.exp(-gate)) * up) @ p["down"].T
        return gated
    x = x_NSD @ p["up"].T + p["up_bias"]
    gelu = 0.5 * x * (1.0 + np.tanh(np.float32(np.sqrt(2.0 / np.pi)) * (x + 0.044715 * x**3)))
    down: Array = (gelu @ p["down"].T + p["down_bias"]).astype(np.float32, copy=False)
    return down
