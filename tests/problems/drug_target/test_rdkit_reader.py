"""Our reader and rdkit's agree on the atoms of molecules that are written with aromatic letters."""

from __future__ import annotations

import numpy as np
import pytest

from problems.drug_target import molecules, proxy
from problems.drug_target.molecules import BadSmiles

pytest.importorskip("rdkit")
from problems.drug_target import rdkit_reader

KNOWN = ("CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "C[N+](C)(C)C", "c1ccc2[nH]ccc2c1", "C1CC1CC2CC2")


@pytest.mark.parametrize("smiles", KNOWN)
def test_both_readers_give_the_same_graph(smiles: str) -> None:
    assert rdkit_reader.read(smiles) == molecules.read(smiles)


def test_the_drugs_of_the_proxy_are_molecules() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        smiles, _ = proxy._drug(rng, proxy.Setting())
        assert rdkit_reader.read(smiles).atoms == molecules.read(smiles).atoms


def test_two_spellings_are_one_drug() -> None:
    assert rdkit_reader.read("C1=CC=CC=C1").key == rdkit_reader.read("c1ccccc1").key


@pytest.mark.parametrize("smiles", ["", "C(", "c1cccc1", "C(C)(C)(C)(C)C"])
def test_what_rdkit_refuses_is_bad_smiles(smiles: str) -> None:
    with pytest.raises(BadSmiles):
        rdkit_reader.read(smiles)
