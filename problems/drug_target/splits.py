"""Splits of pairs that we derive ourselves: random, unseen drug, unseen protein, both, and all four in one training.

A split keeps places of pairs for training, and for each setting two held-out sets: one to choose by (the epoch and the
threshold), one that is reported. What is held out as unseen shares no drug (or protein, or either) with training, nor
does the set to choose by share it with the reported one. Deterministic.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from problems.drug_target.pairs import Integers, Pairs, UnusableData

Kind = Literal["random", "unseen_drug", "unseen_protein", "both", "joint"]
SETTINGS: tuple[Kind, ...] = ("random", "unseen_drug", "unseen_protein", "both")
TRAIN, CHOOSE, REPORT = 0, 1, 2
SHARES = (0.7, 0.1, 0.2)  # of pairs, drugs or proteins
PAIRED_SHARES = (0.55, 0.15, 0.30)  # of drugs and of proteins, where both are held out: pairs are their product


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Places of held-out pairs."""

    choose: Integers
    report: Integers


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Places of pairs."""

    train: Integers
    held: Mapping[str, Held]  # by setting


def derive(pairs: Pairs, kind: Kind, seed: int, most_training: int | None = None) -> Split:
    """The split. Raises UnusableData if a part of it lacks one of the two labels."""
    drug_P = _parts(len(pairs.drugs), kind, "drugs", seed)[pairs.drug_P]
    protein_P = _parts(len(pairs.proteins), kind, "proteins", seed)[pairs.protein_P]
    pair_P = _share_out(len(pairs), SHARES, _rng(kind, "pairs", seed))
    settings = SETTINGS if kind == "joint" else (kind,)
    held: dict[str, Held] = {name: _held(name, drug_P, protein_P, pair_P) for name in settings}
    seen_P = (drug_P == TRAIN) & (protein_P == TRAIN)
    if kind in ("random", "joint"):
        seen_P &= pair_P == TRAIN
    train = _rng(kind, "training", seed).permutation(np.flatnonzero(seen_P))[:most_training]
    split = Split(np.sort(train), held)
    _check(split, pairs, kind)
    return split


def _parts(count: int, kind: Kind, what: str, seed: int) -> NDArray[np.int8]:
    """The part of each drug or protein: all TRAIN where the split does not hold any of them out."""
    whole = {"random": ("drugs", "proteins"), "unseen_drug": ("proteins",), "unseen_protein": ("drugs",)}
    if kind in whole and what in whole[kind]:
        return np.zeros(count, dtype=np.int8)
    return _share_out(count, SHARES if kind in whole else PAIRED_SHARES, _rng(kind, what, seed))


def _share_out(count: int, shares: tuple[float, float, float], rng: np.random.Generator) -> NDArray[np.int8]:
    parts = np.full(count, TRAIN, dtype=np.int8)
    order = rng.permutation(count)
    reported = round(count * shares[REPORT])
    parts[order[:reported]] = REPORT
    parts[order[reported : reported + round(count * shares[CHOOSE])]] = CHOOSE
    return parts


def _held(name: str, drug_P: NDArray[np.int8], protein_P: NDArray[np.int8], pair_P: NDArray[np.int8]) -> Held:
    """Pairs of a setting: what is unseen in it is in the part that is held out, the rest was seen in training."""

    def places(part: int) -> Integers:
        if name == "random":
            return np.flatnonzero((drug_P == TRAIN) & (protein_P == TRAIN) & (pair_P == part))
        drug = part if name in ("unseen_drug", "both") else TRAIN
        protein = part if name in ("unseen_protein", "both") else TRAIN
        return np.flatnonzero((drug_P == drug) & (protein_P == protein))

    return Held(places(CHOOSE), places(REPORT))


def _check(split: Split, pairs: Pairs, kind: Kind) -> None:
    parts = {"training": split.train}
    for name, held in split.held.items():
        parts |= {f"{name}, to choose by": held.choose, f"{name}, reported": held.report}
    for name, places in parts.items():
        labels = set(pairs.label_P[places].tolist())
        if labels != {0, 1}:
            what = "no pair" if not labels else f"only the label {labels.pop()}"
            raise UnusableData(f"the split {kind!r} has {what} in its part {name}: it needs more data, or another seed")


def _rng(kind: str, what: str, seed: int) -> np.random.Generator:
    digest = hashlib.sha256(f"drug target {kind} {what} {seed}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))
