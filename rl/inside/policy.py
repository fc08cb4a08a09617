"""The proxy's small language models in torch, as functions of one flat vector of parameters. For training only.

Scores come from the same models written in numpy, outside (rl/model.py). One vector makes the optimiser five vector
operations, and there is no module object that anything could patch.

Shapes: N sequences, S places, H heads, E head width, D width, V vocabulary, W parameters.
"""

from __future__ import annotations

import math

import torch
from shape import Shape
from torch import Tensor
from torch.nn import functional as F

ROTARY_BASE = 10_000.0
Parameters = dict[str, Tensor]
Past = list[tuple[Tensor, Tensor]]


def unflattened(flat_W: Tensor, shape: Shape) -> Parameters:
    """Named views of the vector."""
    sizes = shape.tensors()
    parts = torch.split(flat_W, [math.prod(size) for size in sizes.values()])
    return {name: part.view(size) for (name, size), part in zip(sizes.items(), parts, strict=True)}


def initial(shape: Shape, generator: torch.Generator) -> Tensor:
    """Starting values, (W,): ones for norms, zeros for biases, small normals for the rest."""
    parts = []
    for name, size in shape.tensors().items():
        if name.endswith("bias"):
            parts.append(torch.zeros(size))
        elif len(size) == 1:
            parts.append(torch.ones(size))
        else:
            deviation = 0.02 if name in ("embedding", "places") else 1.0 / math.sqrt(size[-1])
            deviation = deviation / math.sqrt(2 * shape.layers) if name.endswith((".out", ".down")) else deviation
            parts.append(torch.randn(size, generator=generator) * deviation)
    return torch.cat([part.flatten() for part in parts])


def logits(p: Parameters, shape: Shape, tokens_NS: Tensor, past: Past | None = None, start: int = 0) -> Tensor:
    """Next-token logits, (N, S, V). With `past`, keys and values of the places before are read and added to."""
    h_NSD = F.embedding(tokens_NS, p["embedding"])
    if shape.family == "gpt":
        h_NSD = h_NSD + p["places"][start : start + tokens_NS.shape[1]]
    for layer in range(shape.layers):
        own = {name.partition(".")[2]: value for name, value in p.items() if name.startswith(f"{layer}.")}
        h_NSD = h_NSD + _attention(own, shape, _norm(own, "before", h_NSD), past, layer, start)
        h_NSD = h_NSD + _mlp(own, shape, _norm(own, "after", h_NSD))
    head = p["head"] if shape.family == "qwen" else p["embedding"]
    return F.linear(_norm(p, "last", h_NSD), head)


def _norm(p: Parameters, name: str, x: Tensor) -> Tensor:
    bias = p.get(f"{name}_bias")
    if bias is None:
        return F.rms_norm(x, (x.shape[-1],), p[name], 1e-6)
    return F.layer_norm(x, (x.shape[-1],), p[name], bias, 1e-5)


def _attention(p: Parameters, shape: Shape, x_NSD: Tensor, past: Past | None, layer: int, start: int) -> Tensor:
    n, s, _ = x_NSD.shape
    parts = F.linear(x_NSD, p["qkv"]).view(n, s, 3, shape.heads, shape.head_width).permute(2, 0, 3, 1, 4)
    q, k, v = parts.unbind(0)
    if shape.family == "qwen":
        q, k = (_rotated(_norm(p, name, x), start) for name, x in (("q_norm", q), ("k_norm", k)))
    if past is not None:
        if layer < len(past):
            k, v = (torch.cat(pair, dim=2) for pair in zip(past[layer], (k, v), strict=True))
            past[layer] = (k, v)
        else:
            past.append((k, v))
    o_NHSE = F.scaled_dot_product_attention(q, k, v, is_causal=s > 1)
    return F.linear(o_NHSE.transpose(1, 2).reshape(n, s, shape.width), p["out"])


def _rotated(x_NHSE: Tensor, start: int) -> Tensor:
    half = x_NHSE.shape[-1] // 2
    places_S1 = torch.arange(start, start + x_NHSE.shape[-2], dtype=torch.float32)[:, None]
    angle = places_S1 * ROTARY_BASE ** (-torch.arange(half, dtype=torch.float32) / half)
    low, high = x_NHSE[..., :half], x_NHSE[..., half:]
    return torch.cat([low * angle.cos() - high * angle.sin(), high * angle.cos() + low * angle.sin()], dim=-1)


def _mlp(p: Parameters, shape: Shape, x_NSD: Tensor) -> Tensor:
    if shape.family == "qwen":
        gate, up = F.linear(x_NSD, p["up"]).chunk(2, dim=-1)
        return F.linear(F.silu(gate) * up, p["down"])
    up = F.gelu(F.linear(x_NSD, p["up"], p["up_bias"]), approximate="tanh")
    return F.linear(up, p["down"], p["down_bias"])


def completion_logps(p: Parameters, shape: Shape, prompts_NP: Tensor, tokens_NT: Tensor) -> Tensor:
    """Log-probabilities of the completions' tokens, (N, T)."""
    whole_NS = torch.cat([prompts_NP, tokens_NT[:, :-1]], dim=1)
    logits_NTV = logits(p, shape, whole_NS)[:, prompts_NP.shape[1] - 1 :]
    return torch.log_softmax(logits_NTV, -1).gather(-1, tokens_NT[..., None])[..., 0]


@torch.no_grad()
def sampled(p: Parameters, shape: Shape, prompts_NP: Tensor, chance_NT: Tensor, end: int, blank: int) -> Tensor:
    """Completions at temperature 1, (N, T), by inverting the distribution function at `chance`; BLANK after END.

    The same chances give neighbouring models nearly the same completions: that is what pairing by seed rests on.
    """
    past: Past = []
    step_N1 = prompts_NP
    ended_N = torch.zeros(len(prompts_NP), dtype=torch.bool)
    tokens: list[Tensor] = []
    for place in range(chance_NT.shape[1]):
        start = 0 if place == 0 else prompts_NP.shape[1] + place - 1
        cumulated_NV = logits(p, shape, step_N1, past, start)[:, -1].softmax(-1).cumsum(-1)
        drawn_N = (cumulated_NV < chance_NT[:, place, None]).sum(-1).clamp(max=shape.vocabulary - 1)
        drawn_N = torch.where(ended_N, blank, drawn_N)
        ended_N = ended_N | (drawn_N == end)
        tokens.append(drawn_N)
        step_N1 = drawn_N[:, None]
    return torch.stack(tokens, dim=1)
