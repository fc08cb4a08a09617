"""DrugBAN in plain torch, small: graph convolutions, a protein CNN, bilinear attention (arXiv 2208.02194).

Shapes: B batch, N atoms, F atom features, L residues, D width, K width of the joint space, H heads.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, JOINT, RANK, HEADS = 32, 32, 3, 2


class GraphEncoder(nn.Module):
    """Three graph convolutions on the padded adjacency with self loops, each with a residual path."""

    def __init__(self, atom_features: int) -> None:
        super().__init__()
        self.embed = nn.Linear(atom_features, WIDTH, bias=False)
        self.hear = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.keep = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.norm = nn.ModuleList(nn.BatchNorm1d(WIDTH) for _ in range(3))

    def forward(self, atoms_BNF: Tensor, bonds_BNN: Tensor) -> Tensor:
        """Atoms in their surroundings, (B, N, D), zero where there is no atom."""
        near_BNN = (bonds_BNN > 0).to(atoms_BNF.dtype) + torch.eye(bonds_BNN.shape[1])
        near_BNN = near_BNN / near_BNN.sum(-1, keepdim=True)
        h_BND = self.embed(atoms_BNF)
        for hear, keep, norm in zip(self.hear, self.keep, self.norm, strict=True):
            h_BND = F.relu(hear(near_BNN @ h_BND)) + F.relu(keep(h_BND))
            h_BND = norm(h_BND.transpose(1, 2)).transpose(1, 2)
        drug_BND: Tensor = h_BND * atoms_BNF[..., -1:]
        return drug_BND


class ProteinEncoder(nn.Module):
    """Embedded residues and three convolutions."""

    def __init__(self, residues: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(residues, WIDTH, padding_idx=0)
        self.convs = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, width) for width in (3, 6, 9))
        self.norms = nn.ModuleList(nn.BatchNorm1d(WIDTH) for _ in range(3))

    def forward(self, residues_BL: Tensor) -> Tensor:
        """Windows of residues, (B, L - 15, D)."""
        h_BDL = self.embed(residues_BL).transpose(1, 2)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            h_BDL = norm(F.relu(conv(h_BDL)))
        protein_BLD: Tensor = h_BDL.transpose(1, 2)
        return protein_BLD


class Model(nn.Module):
    """A logit per pair: one bilinear attention map per head over atoms and residues, summed, then an MLP."""

    def __init__(self, atom_features: int, residues: int) -> None:
        super().__init__()
        self.drug, self.protein = GraphEncoder(atom_features), ProteinEncoder(residues)
        self.to_v, self.to_q = nn.Linear(WIDTH, JOINT * RANK), nn.Linear(WIDTH, JOINT * RANK)
        self.heads = nn.Parameter(torch.randn(HEADS, JOINT * RANK))
        self.bias = nn.Parameter(torch.zeros(HEADS))
        self.norm = nn.BatchNorm1d(JOINT)
        self.decide = nn.Sequential(nn.Linear(JOINT, 64), nn.ReLU(), nn.BatchNorm1d(64), nn.Linear(64, 1))

    def forward(self, atoms_BNF: Tensor, bonds_BNN: Tensor, residues_BL: Tensor) -> Tensor:
        """(B,)."""
        v_BNK = F.relu(self.to_v(self.drug(atoms_BNF, bonds_BNN)))
        q_BLK = F.relu(self.to_q(self.protein(residues_BL)))
        joint_BK = torch.zeros_like(v_BNK[:, 0])
        for head_K, bias in zip(self.heads, self.bias, strict=True):
            map_BNL = (v_BNK * head_K) @ q_BLK.transpose(1, 2) + bias
            joint_BK = joint_BK + (v_BNK * (map_BNL @ q_BLK)).sum(1)
        pooled_BK = joint_BK.reshape(-1, JOINT, RANK).sum(-1)
        logit_B: Tensor = self.decide(self.norm(pooled_BK)).squeeze(-1)
        return logit_B
