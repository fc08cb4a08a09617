"""The CSV reader: what is used, and what is left out by name, count and reason."""

from __future__ import annotations

import pytest

from problems.drug_target.pairs import RESIDUES, UnusableData, read_csv, tokens

GOOD = "SMILES,Protein,Y\nCCO,MKV,1\nCCO,MKL,0\nc1ccccc1,mkv,1.0\n"


def test_rows_become_pairs_of_places() -> None:
    pairs = read_csv(GOOD)
    assert pairs.proteins == ("MKV", "MKL")
    assert [len(drug.atoms) for drug in pairs.drugs] == [3, 6]
    assert pairs.drug_P.tolist() == [0, 0, 1]
    assert pairs.protein_P.tolist() == [0, 1, 0]
    assert pairs.label_P.tolist() == [1, 0, 1]
    assert pairs.rejected == ()
    assert pairs.report == "3 pairs of 2 drugs and 2 proteins, 2 of them bind"


def test_columns_may_come_in_any_order_with_others_between() -> None:
    pairs = read_csv("Y,name,Protein,SMILES\n1,x,MKV,CCO\n")
    assert (len(pairs), pairs.proteins) == (1, ("MKV",))


@pytest.mark.parametrize(
    ("row", "kind", "detail"),
    [
        ("C1CC,MKV,1", "bad SMILES", "ring 1 is not closed"),
        (",MKV,1", "bad SMILES", "it is empty"),
        ("CCO,,1", "empty protein", "no sequence"),
        ("CCO,  ,1", "empty protein", "no sequence"),
        ("CCO,MK?V,1", "bad protein", "'?' is no residue"),
        ("CCO,MKV,0.5", "bad label", "'0.5' is not 0 or 1"),
        ("CCO,MKV,", "bad label", "'' is not 0 or 1"),
        ("CCO,MKV", "bad label", "'' is not 0 or 1"),
        ("CCO,MKV,1", "repetition", "there already"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_row(row: str, kind: str, detail: str) -> None:
    (rejected,) = read_csv(f"{GOOD}{row}\n").rejected
    assert (rejected.row, rejected.kind) == (5, kind)
    assert detail in rejected.detail


def test_a_pair_with_both_labels_is_not_used_at_all() -> None:
    pairs = read_csv(f"{GOOD}OCC,MKV,0\n")  # ethanol again, written from the other end
    assert len(pairs) == 2
    assert {(each.row, each.kind) for each in pairs.rejected} == {(2, "contradiction"), (5, "contradiction")}


def test_the_report_counts_each_kind_and_names_the_first_rows() -> None:
    bad = "".join("C((,MKV,1\n" for _ in range(7))
    report = read_csv(f"{GOOD}{bad}CCO,,1\n").report
    assert "8 rows left out: 7 bad SMILES (row 5: 'C((': a branch is not closed" in report
    assert "and 2 more); 1 empty protein (row 12: no sequence)" in report


def test_a_file_without_a_column_or_without_a_usable_row_is_refused() -> None:
    with pytest.raises(UnusableData, match="Y is missing"):
        read_csv("SMILES,Protein,label\nCCO,MKV,1\n")
    with pytest.raises(UnusableData, match=r"no row can be used.*1 empty protein"):
        read_csv("SMILES,Protein,Y\nCCO,,1\n")


def test_residues_are_numbered_from_one_and_cut_off() -> None:
    assert tokens("ACX", 2) == [1, 2]
    assert len(set(RESIDUES)) == 25
