"""Softmax attention with RoPE: a yardstick, not a candidate. Quadratic, with a state that grows, and so refused."""

import torch
from mixers import rope, short_conv, split_heads
from torch import nn
from torch.nn import functional as F


class Mixer(nn.Module):
    """Causal attention over all earlier tokens, at the same width as the linear mixers."""

    def __init__(self, d_model, n_heads, head_dim):
        super().__init__()
        inner = n_heads * head_dim
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * inner, bias=False)
        self.conv = nn.Parameter(torch.rand(3 * inner, 4) - 0.5)
        self.out = nn.Linear(inner, d_model, bias=False)

    def forward(self, x_BTD):
        q, k, v, _ = self.heads(x_BTD, None, 0)
        o_BHTD = F.scaled_dot_product_attention(*(part.transpose(1, 2) for part in (q, k, v)), is_causal=True)
        return self.out(o_BHTD.transpose(1, 2).flatten(2))

    def recurrent(self, x_BTD, state=None):
        tail, keys, values = state or (None, x_BTD[:, :0], x_BTD[:, :0])
        outputs = []
        for t in range(x_BTD.shape[1]):
            q, k, v, tail = self.heads(x_BTD[:, t : t + 1], tail, keys.shape[1])
            keys = torch.cat([keys, k], 1) if keys.dim() == 4 else k
            values = torch.cat([values, v], 1) if values.dim() == 4 else v
            weight = torch.einsum("bhd,bshd->bsh", q[:, 0], keys) * q.shape[-1] ** -0.5
            outputs.append(torch.einsum("bsh,bshd->bhd", weight.softmax(1), values).flatten(1))
        return self.out(torch.stack(outputs, 1)), (tail, keys, values)

    def heads(self, x_BTD, tail, start):
        conv, tail = short_conv(self.qkv(x_BTD), self.conv, tail)
        q, k, v = (split_heads(part, self.n_heads) for part in conv.chunk(3, dim=-1))
        return rope(q, start), rope(k, start), v, tail
