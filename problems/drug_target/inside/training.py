"""Trains a candidate's model on labelled pairs and lets trained ones answer pairs, inside the sandbox. Scores nothing.

Pairs arrive as whole numbers and are padded to fixed sizes, the same for every pair, so that what a pair is answered
does not depend on what it is sent with. The trainer is the same for all candidates. One thread.

Shapes: B batch, P pairs, N atoms, F atom features, L residues.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

MakeModel = Callable[[int, int], nn.Module]
ANSWERED_AT_ONCE = 128
loss_of = nn.functional.binary_cross_entropy_with_logits  # taken before a candidate could replace it


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how fast."""

    epochs: int
    batch: int
    learning_rate: float
    decay: float
    kept_epochs: tuple[int, ...]  # after which the weights are kept, from 1 on
    seed: int


class Diverged(ValueError):
    """The training loss is not a number."""


class Library:
    """Drugs and proteins, from which batches are made."""

    def __init__(self, drugs: dict[str, Any], proteins: dict[str, Any], sizes: dict[str, Any]) -> None:
        self.columns: tuple[int, ...] = tuple(sizes["columns"])
        self.residues = int(sizes["residues"])
        self.atoms_DNC = _padded(drugs["atoms"], drugs["atom_ends"], int(sizes["atoms"]))
        self.bonds, self.bond_ends = drugs["bonds"], drugs["bond_ends"]
        self.tokens_DL = torch.from_numpy(_padded(proteins["tokens"], proteins["ends"], int(sizes["length"]))[..., 0])
        self.counts_D = np.diff(drugs["atom_ends"])

    @property
    def atom_features(self) -> int:
        """One per value of each column, and one that says that there is an atom."""
        return sum(self.columns) + 1

    def batch(self, pairs_P2: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Atoms (B, N, F), bonds (B, N, N) by order, residues (B, L)."""
        drugs_P, proteins_P = pairs_P2.T
        codes_BNC = torch.from_numpy(self.atoms_DNC[drugs_P]).long()
        there_BN1 = (torch.arange(codes_BNC.shape[1]) < torch.from_numpy(self.counts_D[drugs_P])[:, None])[..., None]
        parts = [nn.functional.one_hot(codes_BNC[..., column], values) for column, values in enumerate(self.columns)]
        atoms_BNF = torch.cat([*parts, torch.ones_like(parts[0][..., :1])], -1) * there_BN1
        return atoms_BNF.float(), torch.from_numpy(self._bonds(drugs_P)), self.tokens_DL[proteins_P].long()

    def _bonds(self, drugs_P: NDArray[np.int64]) -> NDArray[np.int64]:
        n = self.atoms_DNC.shape[1]
        dense = np.zeros((len(drugs_P), n, n), dtype=np.int64)
        for place, drug in enumerate(drugs_P):
            one, other, order = self.bonds[self.bond_ends[drug] : self.bond_ends[drug + 1]].T
            dense[place, one, other] = order
            dense[place, other, one] = order
        return dense


def _padded(rows: NDArray[Any], ends: NDArray[np.int64], length: int) -> NDArray[Any]:
    """Ragged rows (sum, C) as (count, length, C) with zeros behind."""
    out = np.zeros((len(ends) - 1, length, rows.shape[1]), dtype=rows.dtype)
    for place in range(len(ends) - 1):
        part = rows[ends[place] : ends[place + 1]][:length]
        out[place, : len(part)] = part
    return out


class AdamW:
    """Adam with decoupled weight decay and clipping by the global norm. Clears the gradients after each step.

    Written out because torch.optim imports torch._dynamo at its first use, 1.3 CPU s in every job.
    """

    def __init__(self, parameters: list[nn.Parameter], decay: float) -> None:
        self.parameters, self.decay, self.steps = parameters, decay, 0
        self.mean = [torch.zeros_like(parameter) for parameter in parameters]
        self.square = [torch.zeros_like(parameter) for parameter in parameters]

    @torch.no_grad()
    def step(self, rate: float, beta: float = 0.9, beta2: float = 0.99, most_norm: float = 2.0) -> None:
        """One update. A parameter without a gradient only decays."""
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        norm = float(torch.stack([gradient.norm() for gradient in gradients]).norm())
        torch._foreach_mul_(gradients, min(1.0, most_norm / (norm + 1e-6)))
        self.steps += 1
        torch._foreach_lerp_(self.mean, gradients, 1.0 - beta)
        torch._foreach_mul_(self.square, beta2)
        torch._foreach_addcmul_(self.square, gradients, gradients, 1.0 - beta2)
        size = torch._foreach_div(self.square, 1.0 - beta2**self.steps)
        torch._foreach_sqrt_(size)
        torch._foreach_add_(size, 1e-8)
        weights: list[Tensor] = list(self.parameters)
        torch._foreach_mul_(weights, 1.0 - rate * self.decay)
        torch._foreach_addcdiv_(weights, self.mean, size, -rate / (1.0 - beta**self.steps))
        for parameter in self.parameters:
            parameter.grad = None


def train(
    make: MakeModel, recipe: Recipe, library: Library, pairs_P2: NDArray[np.int64], labels_P: NDArray[np.float32]
) -> tuple[list[dict[str, Tensor]], list[float]]:
    """The weights after each kept epoch, and the mean loss of every epoch. Raises Diverged."""
    torch.manual_seed(recipe.seed)
    model = make(library.atom_features, library.residues)
    model.train()
    optimiser = AdamW([p for p in model.parameters() if p.requires_grad], recipe.decay)
    rng = np.random.default_rng(recipe.seed)
    per_epoch = max(1, len(pairs_P2) // recipe.batch)
    kept, losses = [], []
    for epoch in range(1, recipe.epochs + 1):
        total = 0.0
        for chosen in np.array_split(rng.permutation(len(pairs_P2)), per_epoch):
            loss = _loss(model, library.batch(pairs_P2[chosen]), torch.from_numpy(labels_P[chosen]))
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step(recipe.learning_rate * _pace(optimiser.steps, recipe.epochs * per_epoch))
            total += float(loss.detach())
        if not math.isfinite(total):
            raise Diverged(f"the training loss is not a number in epoch {epoch}")
        losses.append(total / per_epoch)
        if epoch in recipe.kept_epochs:
            kept.append({name: value.detach().clone().contiguous() for name, value in model.state_dict().items()})
    return kept, losses


def _loss(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor], labels_B: Tensor) -> Tensor:
    logits_B = model(*batch)
    if logits_B.shape != labels_B.shape:
        raise ValueError(f"expected logits of shape {tuple(labels_B.shape)}, got {tuple(logits_B.shape)}")
    return loss_of(logits_B, labels_B)


def _pace(step: int, steps: int, warm_up: int = 20) -> float:
    """Warm-up, then a cosine down to a tenth."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.1 + 0.45 * (1.0 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def answers(model: nn.Module, library: Library, pairs_P2: NDArray[np.int64]) -> NDArray[np.float32]:
    """A logit per pair, (P,)."""
    model.eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(pairs_P2), ANSWERED_AT_ONCE):
            parts.append(model(*library.batch(pairs_P2[start : start + ANSWERED_AT_ONCE])))
    logits: NDArray[np.float32] = torch.cat(parts).float().numpy()
    return logits
