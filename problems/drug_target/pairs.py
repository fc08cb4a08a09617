"""Pairs of drug and protein with a label: what the problem is made of, from a CSV file or from the proxy. Trusted.

    read_csv(text)     columns SMILES, Protein and Y (0 or 1), in any order; further ones are ignored

A row that cannot be used is left out, and it is named, counted and reported; nothing is repaired or guessed.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from problems.drug_target import molecules
from problems.drug_target.molecules import BadSmiles, Molecule

RESIDUES = "ACDEFGHIKLMNPQRSTVWXYBZUO"  # numbered from 1; 0 is padding. X unknown, B Z U O rare
COLUMNS = ("SMILES", "Protein", "Y")
MOST_ATOMS = 290  # as DrugBAN pads to
NAMED_ROWS = 5  # how many rows of each kind the report names
Integers = NDArray[np.int64]
Read = Callable[[str], Molecule]


class UnusableData(ValueError):
    """A file from which no pairs can be taken; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was left out."""

    row: int  # as an editor counts lines, the header being 1
    kind: str  # bad SMILES, empty protein, ...
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Drugs, proteins, and labelled pairs of them by their places. `chance_P`: P(label = 1), in the proxy only."""

    drugs: tuple[Molecule, ...]
    proteins: tuple[str, ...]
    drug_P: Integers
    protein_P: Integers
    label_P: Integers
    chance_P: NDArray[np.float64] | None = None
    rejected: tuple[Rejected, ...] = ()

    def __len__(self) -> int:
        return len(self.label_P)

    @property
    def report(self) -> str:
        """What was read and what was left out, for people."""
        what = f"{len(self)} pairs of {len(self.drugs)} drugs and {len(self.proteins)} proteins"
        what += f", {int(self.label_P.sum())} of them bind"
        kinds = Counter(each.kind for each in self.rejected)
        if not kinds:
            return what
        parts = [f"{count} {kind} ({_rows(self.rejected, kind)})" for kind, count in kinds.most_common()]
        return f"{what}; {len(self.rejected)} rows left out: {'; '.join(parts)}"


def _rows(rejected: Sequence[Rejected], kind: str) -> str:
    rows = [each for each in rejected if each.kind == kind]
    named = ", ".join(f"row {each.row}: {each.detail}" for each in rows[:NAMED_ROWS])
    return named if len(rows) <= NAMED_ROWS else f"{named}, and {len(rows) - NAMED_ROWS} more"


def read_csv(text: str, read: Read = molecules.read) -> Pairs:
    """The pairs of a CSV file. Raises UnusableData if a column is missing or no row is left."""
    rows = csv.DictReader(io.StringIO(text))
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise UnusableData(f"expected columns {', '.join(COLUMNS)}; {', '.join(missing)} is missing")
    table = _Table(read)
    for row in rows:
        table.add(rows.line_num, row)
    pairs = table.pairs()
    if not len(pairs):
        raise UnusableData(f"no row can be used: {pairs.report}")
    return pairs


class _Table:
    """Collects usable rows; drugs are told apart by their graphs, proteins by their sequences."""

    def __init__(self, read: Read) -> None:
        self.read = read
        self.known: dict[str, tuple[Molecule, str] | BadSmiles] = {}
        self.drugs: dict[str, tuple[int, Molecule]] = {}
        self.proteins: dict[str, int] = {}
        self.labels: dict[tuple[int, int], list[tuple[int, int]]] = {}  # pair -> (row, label)
        self.rejected: list[Rejected] = []

    def add(self, row: int, fields: Mapping[str, str | None]) -> None:
        """Take a row in, or note why not; of several reasons the first is named."""
        smiles, protein, label = ((fields[name] or "").strip() for name in COLUMNS)
        drug = self._drug(smiles)
        if isinstance(drug, BadSmiles):
            self.rejected.append(Rejected(row, "bad SMILES", f"{smiles[:40]!r}: {drug}"))
            return
        if problem := _problem(protein, label):
            self.rejected.append(Rejected(row, *problem))
            return
        molecule, key = drug
        place = self.drugs.setdefault(key, (len(self.drugs), molecule))[0]
        other = self.proteins.setdefault(protein.upper(), len(self.proteins))
        self.labels.setdefault((place, other), []).append((row, int(float(label))))

    def _drug(self, smiles: str) -> tuple[Molecule, str] | BadSmiles:
        if smiles not in self.known:
            try:
                molecule = self.read(smiles)
                if len(molecule.atoms) > MOST_ATOMS:
                    raise BadSmiles(f"it has {len(molecule.atoms)} atoms, more than {MOST_ATOMS}")
                self.known[smiles] = (molecule, molecule.key)
            except BadSmiles as error:
                self.known[smiles] = error
        return self.known[smiles]

    def pairs(self) -> Pairs:
        """Repeated pairs count once; those with both labels not at all."""
        kept = []
        for (drug, protein), found in self.labels.items():
            labels = {label for _, label in found}
            if len(labels) > 1:
                self.rejected += [Rejected(row, "contradiction", f"labelled {label}") for row, label in found]
            else:
                kept.append((drug, protein, labels.pop()))
                self.rejected += [Rejected(row, "repetition", "a pair that is there already") for row, _ in found[1:]]
        columns = np.array(kept, dtype=np.int64).reshape(-1, 3)
        drugs = tuple(molecule for _, molecule in self.drugs.values())
        drug_P, protein_P, label_P = columns.T
        return Pairs(drugs, tuple(self.proteins), drug_P, protein_P, label_P, rejected=tuple(self.rejected))


def _problem(protein: str, label: str) -> tuple[str, str] | None:
    if not protein:
        return "empty protein", "no sequence"
    strange = sorted(set(protein.upper()) - set(RESIDUES))
    if strange:
        return "bad protein", f"{strange[0]!r} is no residue"
    if label not in ("0", "1", "0.0", "1.0"):
        return "bad label", f"{label[:20]!r} is not 0 or 1"
    return None


def tokens(protein: str, longest: int) -> list[int]:
    """The residues as numbers from 1 on, cut off after `longest`."""
    return [1 + RESIDUES.index(residue) for residue in protein[:longest]]
