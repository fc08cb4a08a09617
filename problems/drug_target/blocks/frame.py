"""The frame around the blocks: encoders, joint space and decision, whose parameters no block changes."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from problems.drug_target.blocks.attend import bilinear as attend
from problems.drug_target.blocks.message import neighbours_mean as message
from problems.drug_target.blocks.place import unplaced as place
from problems.drug_target.blocks.pool import bilinear_sum as pool

__all__ = ["Annotated", "F", "Model"]

# {blocks}

# Shapes: B batch, N atoms, L residues, D width, K width of the joint space, P soft positions.
WIDTH, JOINT, RANK, HEADS, POSITIONS = 32, 32, 3, 2, 8


class Model(nn.Module):
    """DrugBAN's parts: a graph encoder, a protein CNN, an attention map per head, a pooled vector, an MLP."""

    def __init__(self, atom_features: int, residues: int) -> None:
        super().__init__()
        self.atom = nn.Linear(atom_features, WIDTH, bias=False)
        self.hear = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.keep = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.atom_norm = nn.ModuleList(nn.BatchNorm1d(WIDTH) for _ in range(3))
        self.residue = nn.Embedding(residues, WIDTH, padding_idx=0)
        self.convs = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, width) for width in (3, 6, 9))
        self.residue_norm = nn.ModuleList(nn.BatchNorm1d(WIDTH) for _ in range(3))
        self.where = nn.Linear(POSITIONS, WIDTH, bias=False)
        self.to_v, self.to_q = nn.Linear(WIDTH, JOINT * RANK), nn.Linear(WIDTH, JOINT * RANK)
        self.heads = nn.Parameter(torch.randn(HEADS, JOINT * RANK))
        self.bias = nn.Parameter(torch.zeros(HEADS))
        self.norm = nn.BatchNorm1d(JOINT)
        self.decide = nn.Sequential(nn.Linear(JOINT, 64), nn.ReLU(), nn.BatchNorm1d(64), nn.Linear(64, 1))

    def forward(self, atoms_BNF: Tensor, bonds_BNN: Tensor, residues_BL: Tensor) -> Tensor:
        """A logit per pair, (B,)."""
        there_BN1 = atoms_BNF[..., -1:]
        v_BNK = F.relu(self.to_v(self.drug(atoms_BNF, bonds_BNN))) * there_BN1
        q_BLK = F.relu(self.to_q(self.protein(residues_BL)))
        joint_BK = torch.zeros_like(v_BNK[:, 0])
        for head_K, bias in zip(self.heads, self.bias, strict=True):
            map_BNL = attend((v_BNK * head_K) @ q_BLK.transpose(1, 2) + bias, there_BN1)
            joint_BK = joint_BK + pool(map_BNL, v_BNK, q_BLK)
        logit_B: Tensor = self.decide(self.norm(joint_BK.reshape(-1, JOINT, RANK).sum(-1))).squeeze(-1)
        return logit_B

    def drug(self, atoms_BNF: Tensor, bonds_BNN: Tensor) -> Tensor:
        """Atoms in their surroundings, (B, N, D)."""
        h_BND = self.atom(atoms_BNF)
        for hear, keep, norm in zip(self.hear, self.keep, self.atom_norm, strict=True):
            h_BND = F.relu(hear(message(h_BND, bonds_BNN))) + F.relu(keep(h_BND))
            h_BND = norm(h_BND.transpose(1, 2)).transpose(1, 2)
        drug_BND: Tensor = h_BND * atoms_BNF[..., -1:]
        return drug_BND

    def protein(self, residues_BL: Tensor) -> Tensor:
        """Windows of residues, (B, L - 15, D), aware of their place if the block wants it."""
        share_BL = torch.arange(residues_BL.shape[1]) / (residues_BL > 0).sum(-1, keepdim=True).clamp(min=1)
        near_BLP = (1.0 - (share_BL[..., None] * (POSITIONS - 1) - torch.arange(POSITIONS)).abs()).clamp(min=0.0)
        offset_BDL = self.where(near_BLP).transpose(1, 2)
        h_BDL = self.residue(residues_BL).transpose(1, 2)
        for conv, norm in zip(self.convs, self.residue_norm, strict=True):
            h_BDL = norm(F.relu(conv(h_BDL)))
        return place(h_BDL, offset_BDL[..., : h_BDL.shape[-1]]).transpose(1, 2)
