"""The model around a mixer: embedding, blocks of (norm, mixer, norm, MLP), a final norm and a head.

The head is applied by trusted code too (arch/scoring.py), so the model can return its final hidden states. The short
convolution of width 4 belongs to the mixers (it is `short_conv` on q, k and v, as in the published layers), so that
`recurrent` covers it and candidates may change it.

Shapes: B batch, T time, D d_model, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers import rms_norm

MakeMixer = Callable[[int, int, int], nn.Module]


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a model. State size is what n_heads and head_dim allow; the mixer's contract is built on these three."""

    d_model: int
    n_heads: int
    head_dim: int
    n_layers: int
    vocabulary: int
    mlp_ratio: int = 2


class Block(nn.Module):
    """x + mixer(norm(x)), then x + mlp(norm(x)), with an MLP of `mlp_ratio` times the width."""

    def __init__(self, make: MakeMixer, shape: Shape) -> None:
        super().__init__()
        self.mixer = make(shape.d_model, shape.n_heads, shape.head_dim)
        self.norm_mixer = nn.Parameter(torch.ones(shape.d_model))
        self.norm_mlp = nn.Parameter(torch.ones(shape.d_model))
        self.up = nn.Linear(shape.d_model, shape.mlp_ratio * shape.d_model)
        self.down = nn.Linear(shape.mlp_ratio * shape.d_model, shape.d_model)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """The residual stream (B, T, D) after the block."""
        x_BTD = x_BTD + self.mixer(rms_norm(x_BTD, self.norm_mixer))
        hidden: Tensor = self.up(rms_norm(x_BTD, self.norm_mlp))
        mlp: Tensor = self.down(nn.functional.gelu(hidden))
        return x_BTD + mlp


class Trunk(nn.Module):
    """Tokens (B, T) to final hidden states (B, T, D); `head` makes logits (B, T, V) of them."""

    def __init__(self, make: MakeMixer, shape: Shape) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.vocabulary, shape.d_model)
        self.blocks = nn.ModuleList(Block(make, shape) for _ in range(shape.n_layers))
        self.norm = nn.Parameter(torch.ones(shape.d_model))
        self.head = nn.Linear(shape.d_model, shape.vocabulary, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.5)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Normed hidden states (B, T, D)."""
        x_BTD: Tensor = self.embedding(tokens_BT)
        for block in self.blocks:
            x_BTD = block(x_BTD)
        return rms_norm(x_BTD, self.norm)
