"""Gated DeltaNet (arXiv 2412.06464): the delta rule on a state that first decays, by one number per head."""

import math

import torch
from mixers import gated_delta_rule, l2_norm, rms_norm, short_conv, split_heads
from torch import nn
from torch.nn import functional as F


class Mixer(nn.Module):
    """DeltaNet with the decay of Mamba2: exp(-rate * softplus(step)). Without the output gate, for equal parameters."""

    def __init__(self, d_model, n_heads, head_dim):
        super().__init__()
        inner = n_heads * head_dim
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * inner, bias=False)
        self.conv = nn.Parameter(torch.rand(3 * inner, 4) - 0.5)
        self.write = nn.Linear(d_model, n_heads)
        self.step = nn.Linear(d_model, n_heads, bias=False)
        self.step_bias = nn.Parameter(torch.linspace(math.log(0.001), math.log(0.1), n_heads))
        self.log_rate = nn.Parameter(torch.linspace(0.0, math.log(4.0), n_heads))
        self.norm = nn.Parameter(torch.ones(head_dim))
        self.out = nn.Linear(inner, d_model, bias=False)

    def forward(self, x_BTD):
        return self.mix(x_BTD, (None, None), steps=False)[0]

    def recurrent(self, x_BTD, state=None):
        return self.mix(x_BTD, state or (None, None), steps=True)

    def mix(self, x_BTD, state, steps):
        conv, tail = short_conv(self.qkv(x_BTD), self.conv, state[0])
        q, k, v = (split_heads(part, self.n_heads) for part in F.silu(conv).chunk(3, dim=-1))
        beta_BTH = self.write(x_BTD).sigmoid()
        g_BTH = -self.log_rate.exp() * F.softplus(self.step(x_BTD) + self.step_bias)
        o_BTHD, memory = gated_delta_rule(l2_norm(q), l2_norm(k), v, g_BTH, beta_BTH, state=state[1], steps=steps)
        return self.out(rms_norm(o_BTHD, self.norm).flatten(2)), (tail, memory)
