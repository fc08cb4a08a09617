"""The proxy: what it says about itself is so."""

from __future__ import annotations

import re

import numpy as np

from problems.drug_target import measures, proxy, splits


def test_it_is_the_same_every_time() -> None:
    setting = proxy.Setting(drugs=20, proteins=10, pairs=100)
    first, again = proxy.pairs.__wrapped__(setting), proxy.pairs.__wrapped__(setting)
    assert first.drugs == again.drugs
    assert first.proteins == again.proteins
    assert first.label_P.tolist() == again.label_P.tolist()


def test_no_pair_occurs_twice() -> None:
    pairs = proxy.pairs()
    assert len(set(zip(pairs.drug_P.tolist(), pairs.protein_P.tolist(), strict=True))) == len(pairs)


def test_labels_are_flipped_as_often_as_it_says() -> None:
    pairs = proxy.pairs()
    assert pairs.chance_P is not None
    flipped = (pairs.label_P != (pairs.chance_P > 0.5)).mean()
    assert abs(flipped - proxy.Setting().flip) < 4 * np.sqrt(0.08 * 0.92 / len(pairs))


def test_the_noise_ceiling_leaves_no_perfect_score() -> None:
    pairs = proxy.pairs()
    assert pairs.chance_P is not None
    for name, held in splits.derive(pairs, "joint", 0).held.items():
        ceiling = measures.auroc(pairs.label_P[held.report], pairs.chance_P[held.report])
        assert 0.85 < ceiling < 0.97, name


def test_drugs_and_proteins_by_themselves_say_nearly_nothing() -> None:
    """Every drug has two groups and every protein two motifs: there is no good drug, only a good pair."""
    pairs = proxy.pairs()
    for column_P in (pairs.drug_P, pairs.protein_P):
        counts = np.bincount(column_P)
        rates = np.bincount(column_P, pairs.label_P) / counts
        by_chance = np.sqrt((rates.mean() * (1 - rates.mean()) / counts).mean())
        assert rates.std() < 3.0 * by_chance


def test_a_motif_that_counts_lies_in_the_first_part_with_gaps() -> None:
    setting = proxy.Setting(decoy=0.0, mutated=0.0)
    rng = np.random.default_rng(0)
    motifs = [list(letters) for letters in ("AAAAAA", "CCCCCC", "DDDDDD", "EEEEEE", "FFFFFF", "GGGGGG")]
    for sequence, counting in (proxy._protein(rng, setting, motifs) for _ in range(50)):
        part = sequence[: int(setting.counts_until * len(sequence))]
        patterns = [setting.motif.replace("#", motifs[number][0]) for number in counting]
        assert len(counting) == 2
        assert [pattern for pattern in patterns if not re.search(pattern, part)] == []
