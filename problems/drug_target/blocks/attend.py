"""Slot `attend`: how pairs of atom and residue are weighed. `attend(raw_BNL, there_BN1) -> map_BNL`."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor


def bilinear(raw_BNL: Tensor, there_BN1: Tensor) -> Tensor:
    """The bilinear scores themselves, neither normed nor cut off, as in DrugBAN.

    Nothing is lost and nothing is sparse: every residue adds to the sum, noise included.
    """
    return raw_BNL * there_BN1


def softmax_over_residues(
    raw_BNL: Tensor, there_BN1: Tensor, *, temperature: Annotated[float, (0.2, 5.0), "log"] = 1.0
) -> Tensor:
    """Each atom shares out one unit of attention over the residues.

    A site stands out whatever the sequence's length; an atom that fits nowhere still has to look somewhere.
    """
    return (raw_BNL / temperature).softmax(-1) * there_BN1


def sinkhorn(
    raw_BNL: Tensor,
    there_BN1: Tensor,
    *,
    temperature: Annotated[float, (0.3, 5.0), "log"] = 1.0,
    rounds: Annotated[int, (1, 5)] = 3,
) -> Tensor:
    """Rows and columns are normed in turn, so that atoms and residues are matched to each other.

    Sinkhorn attention, one of the paper's ideas (section 5.4). An atom competes for residues as residues do for atoms.
    """
    log_BNL = (raw_BNL / temperature).masked_fill(there_BN1 == 0, -1e4)
    for _ in range(rounds):
        log_BNL = log_BNL - log_BNL.logsumexp(1, keepdim=True)
        log_BNL = log_BNL - log_BNL.logsumexp(2, keepdim=True)
    return log_BNL.exp() * there_BN1


def top_k_gates(
    raw_BNL: Tensor,
    there_BN1: Tensor,
    *,
    k: Annotated[int, (1, 24)] = 6,
    temperature: Annotated[float, (0.2, 5.0), "log"] = 1.0,
) -> Tensor:
    """Each atom keeps its k best residues, behind a sigmoid, and drops the others.

    Top-k sparse gating, one of the paper's ideas (section 5.4). Too small a k starves what would have been learned.
    """
    least_BN1 = raw_BNL.topk(min(k, raw_BNL.shape[-1]), dim=-1).values[..., -1:]
    return (raw_BNL / temperature).sigmoid() * (raw_BNL >= least_BN1) * there_BN1


def sigmoid_gates(raw_BNL: Tensor, there_BN1: Tensor, *, threshold: Annotated[float, (-2.0, 4.0)] = 1.0) -> Tensor:
    """Each pair of atom and residue has a gate of its own; they do not compete.

    Many sites may be open at once, and none has to be.
    """
    return (raw_BNL - threshold).sigmoid() * there_BN1
