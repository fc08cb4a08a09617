"""The offline proxy: synthetic drugs and proteins with a planted rule, so that its best possible score is known.

A drug is rings with groups on them, a protein is random residues with motifs in them. Each of six groups fits one of
six motifs, and a pair binds if the drug has a group and the protein its motif. No marginal helps: every drug has two
groups and every protein two motifs. What makes it hard, and leaves room above the seed program:

- a group counts only on an aromatic ring, not at the end of a chain;
- a motif counts only in the first part of the sequence; behind it lie decoys;
- a motif fixes six residues with gaps between them, so that no three neighbours give it away;
- one in ten copies of a motif has one residue drawn anew;
- the label is flipped with probability `flip`, which is the noise ceiling: nobody can do better than `Pairs.chance_P`.

It is no chemistry and no biology: it ranks models by whether they find a rule about interactions, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from problems.drug_target import molecules
from problems.drug_target.pairs import Pairs

AMINO = "ACDEFGHIKLMNPQRSTVWY"
GROUPS = ("C(=O)O", "S(=O)(=O)N", "[N+](=O)[O-]", "C#N", "C(F)(F)F", "OC")
PLAIN = ("", "", "C", "F", "Cl", "O")  # other things that a ring may carry
CORES = (
    "c1c{}c{}ccc1{}", "c1c{}nc{}cc1{}", "c1c{}cc2c{}cccc2c1{}", "c1c{}sc{}c1{}", "c1c{}cc{}c{}c1C1CCN(C)CC1",
    "c1c{}cc{}cc1Oc1ccc{}cc1", "c1c{}cc{}cc1C(=O)Nc1ccc{}nc1", "c1oc{}c{}c1CNCc1ccc{}cc1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """Sizes and difficulty."""

    drugs: int = 300
    proteins: int = 1200  # in few pairs each: what a protein binds is to be found in it, not remembered
    pairs: int = 24_000
    length: tuple[int, int] = (60, 80)
    motif: str = "##.##.##"  # where a motif fixes the residue; between may lie any
    counts_until: float = 0.6  # share of the sequence in which a motif counts
    decoy: float = 0.5  # chance of a decoy, per drug and per protein
    mutated: float = 0.1  # chance that one residue of a motif is drawn anew
    flip: float = 0.08
    seed: int = 20251125


#: For tests, where only the path matters.
TINY = Setting(drugs=60, proteins=40, pairs=1200)


@cache
def pairs(setting: Setting = Setting()) -> Pairs:
    """The data set; the same at every call and on every machine."""
    rng = np.random.default_rng(setting.seed)
    motifs = [rng.choice(list(AMINO), setting.motif.count("#")).tolist() for _ in GROUPS]
    drugs = [_drug(rng, setting) for _ in range(setting.drugs)]
    proteins = [_protein(rng, setting, motifs) for _ in range(setting.proteins)]
    places = rng.choice(setting.drugs * setting.proteins, setting.pairs, replace=False)
    drug_P, protein_P = np.divmod(places, setting.proteins)
    binds_P = np.array([bool(drugs[d][1] & proteins[p][1]) for d, p in zip(drug_P, protein_P, strict=True)])
    chance_P = np.where(binds_P, 1.0 - setting.flip, setting.flip)
    label_P = (rng.random(setting.pairs) < chance_P).astype(np.int64)
    return Pairs(
        tuple(molecules.read(smiles) for smiles, _ in drugs),
        tuple(sequence for sequence, _ in proteins),
        drug_P.astype(np.int64),
        protein_P.astype(np.int64),
        label_P,
        chance_P,
    )


def _drug(rng: np.random.Generator, setting: Setting) -> tuple[str, frozenset[int]]:
    """SMILES, and which groups count in it."""
    chosen = [int(group) for group in rng.choice(len(GROUPS), 3, replace=False)]
    carried = [GROUPS[chosen[0]], GROUPS[chosen[1]]]
    tail = "C" * int(rng.integers(2, 5))
    carried.append(tail + GROUPS[chosen[2]] if rng.random() < setting.decoy else tail + str(rng.choice(PLAIN)))
    places = [carried[place] for place in rng.permutation(3)]
    return str(rng.choice(CORES)).format(*(f"({part})" for part in places)), frozenset(chosen[:2])


def _protein(rng: np.random.Generator, setting: Setting, motifs: list[list[str]]) -> tuple[str, frozenset[int]]:
    """The sequence, and which motifs count in it."""
    length = int(rng.integers(*setting.length))
    residues = list(rng.choice(list(AMINO), length))
    chosen = [int(motif) for motif in rng.choice(len(motifs), 4, replace=False)]
    border = int(setting.counts_until * length)
    room = border // 2 - len(setting.motif)
    for half in (0, 1):
        start = half * (border // 2) + int(rng.integers(room))
        _write(rng, setting, motifs[chosen[half]], residues, start)
    room = (length - border) // 2 - len(setting.motif)
    for half in (0, 1):
        if rng.random() < setting.decoy:
            start = border + half * ((length - border) // 2) + int(rng.integers(room))
            _write(rng, setting, motifs[chosen[2 + half]], residues, start)
    return "".join(residues), frozenset(chosen[:2])


def _write(rng: np.random.Generator, setting: Setting, motif: list[str], residues: list[str], start: int) -> None:
    made = list(motif)
    if rng.random() < setting.mutated:
        made[int(rng.integers(len(made)))] = str(rng.choice(list(AMINO)))
    fixed = [place for place, mark in enumerate(setting.motif) if mark == "#"]
    for place, residue in zip(fixed, made, strict=True):
        residues[start + place] = residue
