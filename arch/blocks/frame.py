"""The frame around the blocks: projections, short filters and gates' logits, whose number no block changes."""

from typing import Annotated

import torch
from mixers import (
    decayed_attention,
    delta_rule,
    gated_delta_rule,
    l2_norm,
    linear_attention,
    rms_norm,
    short_conv,
    split_heads,
)
from torch import Tensor, nn
from torch.nn import functional as F

# {blocks}


class Mixer(nn.Module):
    """Queries, keys, values and a local path; one logit per head for writing, for decay and for routing."""

    def __init__(self, d_model, n_heads, head_dim):
        super().__init__()
        inner = n_heads * head_dim
        self.n_heads, self.inner = n_heads, inner
        self.qkv = nn.Linear(d_model, 3 * inner, bias=False)
        self.conv = nn.Parameter(torch.rand(4 * inner, 4) - 0.5)
        self.gates = nn.Linear(d_model, 3 * n_heads)
        self.norm = nn.Parameter(torch.ones(head_dim))
        self.out = nn.Linear(inner, d_model, bias=False)

    def forward(self, x_BTD):
        return self.mix(x_BTD, (None, None), steps=False)[0]

    def recurrent(self, x_BTD, state=None):
        return self.mix(x_BTD, state or (None, None), steps=True)

    def mix(self, x_BTD, state, steps):
        raw, old = self.qkv(x_BTD), state[0]
        conv, tail = short_conv(raw, self.conv[: 3 * self.inner], old)
        before = None if old is None else old[..., 2 * self.inner :]
        near, _ = short_conv(raw[..., 2 * self.inner :], self.conv[3 * self.inner :], before)
        q, k, v, local = (split_heads(part, self.n_heads) for part in (*conv.chunk(3, dim=-1), near))
        writing, fading, routing = self.gates(x_BTD).chunk(3, dim=-1)
        g, beta = decay(fading), write(writing)
        o_BTHD, memory = update(feature(q), feature(k), F.silu(v), g, beta, state[1], steps)
        y_BTHD = route(rms_norm(o_BTHD, self.norm), path(local), routing)
        return self.out(y_BTHD.flatten(2)), (tail, memory)
