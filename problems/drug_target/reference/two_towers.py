"""Two towers: DrugBAN's encoders, each pooled by itself, then an MLP on both. Atoms and residues never meet.

Shapes: B batch, N atoms, F atom features, L residues, D width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 32


class Model(nn.Module):
    """A logit per pair from the largest activations of a graph encoder and of a protein CNN."""

    def __init__(self, atom_features: int, residues: int) -> None:
        super().__init__()
        self.atoms = nn.Linear(atom_features, WIDTH, bias=False)
        self.hear = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.keep = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.norm = nn.ModuleList(nn.BatchNorm1d(WIDTH) for _ in range(3))
        self.residues = nn.Embedding(residues, WIDTH, padding_idx=0)
        self.convs = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, width) for width in (3, 6, 9))
        self.norms = nn.ModuleList(nn.BatchNorm1d(WIDTH) for _ in range(3))
        self.decide = nn.Sequential(nn.Linear(2 * WIDTH, 64), nn.ReLU(), nn.BatchNorm1d(64), nn.Linear(64, 1))

    def forward(self, atoms_BNF: Tensor, bonds_BNN: Tensor, residues_BL: Tensor) -> Tensor:
        """(B,)."""
        near_BNN = (bonds_BNN > 0).to(atoms_BNF.dtype) + torch.eye(bonds_BNN.shape[1])
        near_BNN = near_BNN / near_BNN.sum(-1, keepdim=True)
        h_BND = self.atoms(atoms_BNF)
        for hear, keep, norm in zip(self.hear, self.keep, self.norm, strict=True):
            h_BND = F.relu(hear(near_BNN @ h_BND)) + F.relu(keep(h_BND))
            h_BND = norm(h_BND.transpose(1, 2)).transpose(1, 2)
        drug_BD = (h_BND * atoms_BNF[..., -1:]).amax(1)
        h_BDL = self.residues(residues_BL).transpose(1, 2)
        for conv, after in zip(self.convs, self.norms, strict=True):
            h_BDL = after(F.relu(conv(h_BDL)))
        logit_B: Tensor = self.decide(torch.cat([drug_BD, h_BDL.amax(-1)], -1)).squeeze(-1)
        return logit_B
