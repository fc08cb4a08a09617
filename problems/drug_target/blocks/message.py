"""Slot `message`: how an atom hears from its neighbours. `message(h_BND, bonds_BNN) -> heard_BND`.

Bonds are 0 none, 1 single, 2 double, 3 triple, 4 aromatic.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor


def neighbours_mean(h_BND: Tensor, bonds_BNN: Tensor) -> Tensor:
    """The mean of an atom and its neighbours, as in a graph convolution with self loops.

    Cannot count: two carbonyl neighbours look like one.
    """
    near_BNN = (bonds_BNN > 0).to(h_BND.dtype) + torch.eye(h_BND.shape[1])
    return (near_BNN @ h_BND) / near_BNN.sum(-1, keepdim=True)


def neighbours_sum(h_BND: Tensor, bonds_BNN: Tensor, *, scale: Annotated[float, (0.1, 1.0), "log"] = 0.4) -> Tensor:
    """The sum of the neighbours, without the atom itself, which the residual path keeps.

    Sums can count what means cannot. The scale keeps three layers of sums in range.
    """
    return scale * ((bonds_BNN > 0).to(h_BND.dtype) @ h_BND)


def bonds_weighed(
    h_BND: Tensor,
    bonds_BNN: Tensor,
    *,
    double: Annotated[float, (0.5, 4.0), "log"] = 2.0,
    aromatic: Annotated[float, (0.2, 3.0), "log"] = 0.7,
) -> Tensor:
    """The mean of an atom and its neighbours, weighed by the kind of bond.

    A graph convolution that sees no bond orders cannot tell C=O from C-O except by the hydrogens.
    """
    weights = torch.tensor([0.0, 1.0, double, double, aromatic])
    near_BNN = weights[bonds_BNN] + torch.eye(h_BND.shape[1])
    return (near_BNN @ h_BND) / near_BNN.sum(-1, keepdim=True)


def neighbours_attended(
    h_BND: Tensor, bonds_BNN: Tensor, *, temperature: Annotated[float, (0.5, 8.0), "log"] = 2.0
) -> Tensor:
    """Each atom weighs its neighbours and itself by how alike they are, a softmax along its bonds.

    Attention without parameters of its own. High temperatures come near the mean.
    """
    score_BNN = (h_BND @ h_BND.transpose(1, 2)) / (temperature * h_BND.shape[-1])
    near_BNN = (bonds_BNN > 0) | torch.eye(h_BND.shape[1], dtype=torch.bool)
    return score_BNN.masked_fill(~near_BNN, -1e9).softmax(-1) @ h_BND
