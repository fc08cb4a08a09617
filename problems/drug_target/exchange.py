"""What enters the sandbox and comes out: drugs, proteins, pairs in; weights and logits, checked for form. No torch.

Labels go in for training pairs only, with training's drugs and proteins. Whoever answers pairs gets no label at all.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from problems.drug_target import molecules
from problems.drug_target.pairs import RESIDUES, Integers, Pairs, tokens
from problems.drug_target.recipes import Recipe
from problems.drug_target.weights import Unreadable, numbers
from tasks.contract import JSON, Failure, FailureKind, Finished, Job, Limits, Sandbox

INSIDE = Path(__file__).parent / "inside"
ANSWERS = "answers"  # the file that trained models hand out: every checkpoint's logits, one after the other
WEIGHTS_MB = 32  # of all checkpoints of a training run; the seed program's are below 1 MB
START_UP_CPU_S = 6.0  # importing torch costs a few seconds where the sandbox has not done it before
Logits = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a training run left: weights of each checkpoint, and the mean loss of every epoch."""

    checkpoints: tuple[bytes, ...]
    losses: tuple[float, ...]
    cpu_s: float
    wall_s: float


def weights_name(number: int) -> str:
    """The file of a checkpoint, from 0 on."""
    return f"weights-{number}.safetensors"


def probe(code: str, pairs: Pairs, recipe: Recipe, sandbox: Sandbox) -> Finished | Failure:
    """The model on a few pairs: shapes, gradients, size. Every number in the answer is a claim."""
    places = np.arange(min(6, len(pairs)))
    request = {**_asked(pairs, places, recipe), "labels": _pack((places % 2).astype("<f4"))}
    return _run(code, "probe", request, Limits(60.0, 240.0, recipe.memory_mb, processes=32), sandbox)


def fit(code: str, pairs: Pairs, places: Integers, recipe: Recipe, seed: int, sandbox: Sandbox) -> Fitted | Failure:
    """One training run on the pairs at these places."""
    request = {
        **_asked(pairs, places, recipe),
        "labels": _pack(pairs.label_P[places].astype("<f4")),
        "run": {
            "epochs": recipe.epochs,
            "batch": recipe.batch,
            "learning_rate": recipe.learning_rate,
            "decay": recipe.decay,
            "kept_epochs": list(recipe.kept_epochs),
            "seed": seed % 2**32,
        },
    }
    done = _run(code, "train", request, _limits(recipe, WEIGHTS_MB), sandbox)
    return done if isinstance(done, Failure) else _fitted(done, recipe)


def _fitted(done: Finished, recipe: Recipe) -> Fitted | Failure:
    if isinstance(done.answer, dict) and set(done.answer) == {"diverged"}:
        return Failure(FailureKind.INVALID, f"training diverged: {str(done.answer['diverged'])[:200]}")
    names = [weights_name(number) for number in range(len(recipe.kept_epochs))]
    if not isinstance(done.answer, dict) or set(done.answer) != {"losses"} or set(done.files) != set(names):
        return Failure(FailureKind.INVALID, "training did not answer with its losses and one file per checkpoint")
    try:
        losses = tuple(float(loss) for loss in done.answer["losses"])
        for name in names:
            numbers(done.files[name])
    except (TypeError, ValueError, OverflowError, Unreadable) as error:
        return Failure(FailureKind.INVALID, f"what training left cannot be read: {error}")
    if len(losses) != recipe.epochs or not all(math.isfinite(loss) for loss in losses):
        return Failure(FailureKind.INVALID, f"expected {recipe.epochs} finite losses")
    return Fitted(tuple(done.files[name] for name in names), losses, done.cost.cpu_s, done.cost.wall_s)


def answered(
    code: str, pairs: Pairs, places: Integers, recipe: Recipe, checkpoints: Sequence[bytes], sandbox: Sandbox
) -> Logits | Failure:
    """A logit per checkpoint and pair, (C, P), finite."""
    request = {**_asked(pairs, places, recipe), "checkpoints": [_pack_bytes(content) for content in checkpoints]}
    size = 4 * len(checkpoints) * len(places)
    done = _run(code, "answer", request, _limits(recipe, math.ceil(size / 2**20)), sandbox)
    if isinstance(done, Failure):
        return done
    if set(done.files) != {ANSWERS} or len(done.files[ANSWERS]) != size:
        return Failure(FailureKind.INVALID, f"expected one file of {size} bytes of logits")
    logits_CP = np.frombuffer(done.files[ANSWERS], dtype="<f4").reshape(len(checkpoints), len(places))
    if not np.isfinite(logits_CP).all():
        return Failure(FailureKind.INVALID, "a logit is not finite")
    return logits_CP.astype(np.float64)


def _asked(pairs: Pairs, places: Integers, recipe: Recipe) -> dict[str, JSON]:
    """The pairs with those drugs and proteins that occur in them, under new numbers."""
    drugs, drug_P = np.unique(pairs.drug_P[places], return_inverse=True)
    proteins, protein_P = np.unique(pairs.protein_P[places], return_inverse=True)
    asked_P2 = np.stack([drug_P, protein_P], axis=1)
    return {
        "drugs": _drugs([pairs.drugs[drug] for drug in drugs]),
        "proteins": _proteins([pairs.proteins[protein] for protein in proteins], recipe.most_residues),
        "sizes": sizes(pairs, recipe),
        "pairs": _pack(asked_P2.astype("<i4")),
    }


def sizes(pairs: Pairs, recipe: Recipe) -> dict[str, JSON]:
    """To what everything is padded: the same for every batch of the data set, whoever is in it."""
    return {
        "columns": [values for _, values in molecules.COLUMNS],
        "residues": len(RESIDUES) + 1,
        "atoms": max(len(drug.atoms) for drug in pairs.drugs),
        "length": min(recipe.most_residues, max(len(protein) for protein in pairs.proteins)),
    }


def _drugs(drugs: Sequence[molecules.Molecule]) -> dict[str, JSON]:
    atoms = np.array([atom for drug in drugs for atom in drug.atoms], dtype=np.uint8)
    bonds = np.array([bond for drug in drugs for bond in drug.bonds], dtype="<i4").reshape(-1, 3)
    return {
        "atoms": _pack(atoms),
        "atom_ends": _pack(_ends([len(drug.atoms) for drug in drugs])),
        "bonds": _pack(bonds),
        "bond_ends": _pack(_ends([len(drug.bonds) for drug in drugs])),
    }


def _proteins(proteins: Sequence[str], longest: int) -> dict[str, JSON]:
    rows = [tokens(protein, longest) for protein in proteins]
    flat = np.array([residue for row in rows for residue in row], dtype=np.uint8)
    return {"tokens": _pack(flat), "ends": _pack(_ends([len(row) for row in rows]))}


def _ends(lengths: Sequence[int]) -> NDArray[np.int32]:
    return np.cumsum([0, *lengths]).astype("<i4")


def _run(code: str, entry: str, request: JSON, limits: Limits, sandbox: Sandbox) -> Finished | Failure:
    return sandbox.run(Job(code, INSIDE, f"adapter:{entry}", request, limits, profile="cpu-train"))


def _limits(recipe: Recipe, files_mb: int) -> Limits:
    cpu_s = recipe.cpu_s + START_UP_CPU_S
    return Limits(cpu_s=cpu_s, wall_s=recipe.wall_s, memory_mb=recipe.memory_mb, processes=32, files_mb=files_mb)


def _pack(array: NDArray[np.generic]) -> str:
    return _pack_bytes(array.tobytes())


def _pack_bytes(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
