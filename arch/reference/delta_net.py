"""DeltaNet (arXiv 2406.06484): the delta rule with normalised keys. The baseline of the paper, section 4.1."""

import torch
from mixers import delta_rule, l2_norm, rms_norm, short_conv, split_heads
from torch import nn
from torch.nn import functional as F


class Mixer(nn.Module):
    """Queries, keys and values through a short convolution; a sigmoid write strength per head."""

    def __init__(self, d_model, n_heads, head_dim):
        super().__init__()
        inner = n_heads * head_dim
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * inner, bias=False)
        self.conv = nn.Parameter(torch.rand(3 * inner, 4) - 0.5)
        self.write = nn.Linear(d_model, n_heads)
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
        o_BTHD, memory = delta_rule(l2_norm(q), l2_norm(k), v, beta_BTH, state=state[1], steps=steps)
        return self.out(rms_norm(o_BTHD, self.norm).flatten(2)), (tail, memory)
