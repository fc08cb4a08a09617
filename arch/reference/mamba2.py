"""Mamba2 (SSD, arXiv 2405.21060) as a memory: scalar decay and input step, S <- exp(-rate dt) S + dt k v^T."""

import math

import torch
from mixers import decayed_attention, l2_norm, rms_norm, short_conv, split_heads
from torch import nn
from torch.nn import functional as F


class Mixer(nn.Module):
    """B, C and x of the paper are k, q and v, with B and C per head and of length one, and slow decays to start with.

    The gate is left out, for equal parameters.
    """

    def __init__(self, d_model, n_heads, head_dim):
        super().__init__()
        inner = n_heads * head_dim
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * inner, bias=False)
        self.conv = nn.Parameter(torch.rand(3 * inner, 4) - 0.5)
        self.step = nn.Linear(d_model, n_heads, bias=False)
        self.step_bias = nn.Parameter(torch.zeros(n_heads))
        self.log_rate = nn.Parameter(torch.linspace(math.log(0.02), math.log(0.1), n_heads))
        self.skip = nn.Parameter(torch.full((n_heads, 1), 0.1))
        self.norm = nn.Parameter(torch.ones(head_dim))
        self.out = nn.Linear(inner, d_model, bias=False)

    def forward(self, x_BTD):
        return self.mix(x_BTD, (None, None), steps=False)[0]

    def recurrent(self, x_BTD, state=None):
        return self.mix(x_BTD, state or (None, None), steps=True)

    def mix(self, x_BTD, state, steps):
        conv, tail = short_conv(self.qkv(x_BTD), self.conv, state[0])
        q, k, v = (split_heads(part, self.n_heads) for part in F.silu(conv).chunk(3, dim=-1))
        dt_BTH = F.softplus(self.step(x_BTD) + self.step_bias)
        g_BTH = -self.log_rate.exp() * dt_BTH
        o_BTHD, memory = decayed_attention(
            l2_norm(q), l2_norm(k), v * dt_BTH[..., None], g_BTH, scale=1.0, state=state[1], steps=steps
        )
        return self.out(rms_norm(o_BTHD + self.skip * v, self.norm).flatten(2)), (tail, memory)
