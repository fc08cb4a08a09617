"""The SMILES reader on molecules whose graph is known, and on text that is not SMILES."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from problems.drug_target.molecules import COLUMNS, ELEMENTS, BadSmiles, read

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
CAFFEINE = "Cn1c(=O)c2c(ncn2C)n(C)c1=O"
IMATINIB = "Cc1ccc(cc1Nc1nccc(n1)-c1cccnc1)NC(=O)c1ccc(cc1)CN1CCN(C)CC1"


def formula(smiles: str) -> tuple[int, int, int]:
    """Heavy atoms, hydrogens, bonds."""
    molecule = read(smiles)
    return len(molecule.atoms), sum(atom[2] for atom in molecule.atoms), len(molecule.bonds)


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("C", (1, 4, 0)),
        ("C#N", (2, 1, 1)),
        ("c1ccccc1", (6, 6, 6)),
        ("[nH]1cccc1", (5, 5, 5)),
        ("c1ccccc1c1ccccc1", (12, 10, 13)),
        ("[Na+].[Cl-]", (2, 0, 0)),
        ("C[C@H](N)C(=O)O", (6, 7, 5)),
        ("F/C=C/F", (4, 2, 3)),
        ("CS(=O)(=O)N", (5, 5, 4)),
        ("C%12CC%12", (3, 6, 3)),
        (ASPIRIN, (13, 8, 13)),  # C9H8O4
        (CAFFEINE, (14, 10, 15)),  # C8H10N4O2
        (IMATINIB, (37, 31, 41)),  # C29H31N7O
    ],
)
def test_known_molecules(smiles: str, expected: tuple[int, int, int]) -> None:
    assert formula(smiles) == expected


def test_columns_say_element_degree_hydrogens_charge_aromatic_ring() -> None:
    amine, aromatic = read("C[N+](C)(C)C").atoms[1], read("c1ccccc1").atoms[0]
    assert amine == (ELEMENTS.index("N"), 4, 0, 3, 0, 0)
    assert aromatic == (0, 2, 1, 2, 1, 1)
    assert len(aromatic) == len(COLUMNS)


def test_a_bond_between_two_aromatic_rings_is_single() -> None:
    assert [order for _, _, order in read("c1ccccc1c1ccccc1").bonds].count(1) == 1


def test_ring_atoms_are_those_of_a_cycle() -> None:
    assert [atom[5] for atom in read("C1CC1CC2CC2").atoms] == [1, 1, 1, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("one", "other"), [("CCO", "OCC"), ("c1ccccc1C", "Cc1ccccc1"), (ASPIRIN, "OC(=O)c1ccccc1OC(C)=O")]
)
def test_a_molecule_is_the_same_however_it_is_written(one: str, other: str) -> None:
    assert read(one).key == read(other).key


@pytest.mark.parametrize(("one", "other"), [("CCO", "COC"), ("CCC", "CCCC"), ("C=O", "CO"), ("CCN", "CC[NH3+]")])
def test_other_molecules_have_other_keys(one: str, other: str) -> None:
    assert read(one).key != read(other).key


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("", "empty"),
        ("C(", "a branch is not closed"),
        ("C)", "out of place"),
        ("C1CC", "ring 1 is not closed"),
        ("CX", "'X' at character 2 is not SMILES"),
        ("C=", "ends in a bond"),
        ("=C", "follows no atom"),
        ("C==C", "follows no atom"),
        ("1CC1", "ring 1 follows no atom"),
        ("C11", "joined twice"),
        ("C1C1", "joined twice"),
        ("C=1CCCC#1", "different bonds"),
        ("[Qq8]", "is not an atom"),
        ("C1.C1", "joins two parts"),
        ("C(C)(C)(C)(C)C", "C has 5 bonds"),
        ("F=C", "F has 2 bonds"),
        ("C" * 2001, "more than 2000"),
    ],
)
def test_what_is_not_smiles_is_refused_with_a_reason(smiles: str, reason: str) -> None:
    with pytest.raises(BadSmiles, match=reason):
        read(smiles)


@settings(deadline=None)
@given(st.text(alphabet="CNOcn()=#12[]+-H.%@/", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        molecule = read(text)
    except BadSmiles:
        return
    assert molecule.atoms
    assert all(0 <= value < values for atom in molecule.atoms for value, (_, values) in zip(atom, COLUMNS, strict=True))
