"""SMILES by rdkit, where it is installed: aromaticity is found, valences are checked, spellings of one molecule agree.

The only file that imports rdkit. The graph has the same columns as that of our own reader.
"""

from __future__ import annotations

from typing import Any

from rdkit import Chem, RDLogger

from problems.drug_target.molecules import AROMATIC, ELEMENTS, OTHER, BadSmiles, Molecule

RDLogger.DisableLog("rdApp.*")  # its reasons go to stderr by themselves; ours are in the report


def read(smiles: str) -> Molecule:
    """The molecule. Raises BadSmiles."""
    found: Any = Chem.MolFromSmiles(smiles) if smiles.strip() else None
    if found is None or not found.GetNumAtoms():
        raise BadSmiles("rdkit cannot read it" if smiles.strip() else "it is empty")
    bonds = [_bond(bond) for bond in found.GetBonds()]
    return Molecule(tuple(_atom(atom) for atom in found.GetAtoms()), tuple(sorted(bonds)))


def _atom(atom: Any) -> tuple[int, ...]:
    symbol = atom.GetSymbol()
    element = ELEMENTS.index(symbol) if symbol in ELEMENTS else OTHER
    charge = min(2, max(-2, atom.GetFormalCharge())) + 2
    hydrogens = min(4, atom.GetTotalNumHs())
    return element, min(6, atom.GetDegree()), hydrogens, charge, int(atom.GetIsAromatic()), int(atom.IsInRing())


def _bond(bond: Any) -> tuple[int, int, int]:
    one, other = sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))
    order = AROMATIC if bond.GetIsAromatic() else min(3, max(1, round(bond.GetBondTypeAsDouble())))
    return one, other, order
