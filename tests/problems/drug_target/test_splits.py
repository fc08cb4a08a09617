"""Splits: nothing that is unseen was seen, whatever the data and the seed; the same split every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from problems.drug_target import proxy, splits
from problems.drug_target.pairs import Pairs, UnusableData

KINDS: tuple[splits.Kind, ...] = ("random", "unseen_drug", "unseen_protein", "both", "joint")


def random_pairs(drugs: int, proteins: int, share: float, seed: int) -> Pairs:
    rng = np.random.default_rng(seed)
    places = rng.choice(drugs * proteins, int(share * drugs * proteins), replace=False)
    drug_P, protein_P = np.divmod(places, proteins)
    molecules = proxy.pairs().drugs[:1] * drugs
    return Pairs(molecules, ("A",) * proteins, drug_P, protein_P, rng.integers(0, 2, len(places)))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.integers(30, 60), st.integers(30, 50), st.floats(0.5, 1.0), st.integers(0, 2**32))
def test_nothing_leaks(kind: splits.Kind, drugs: int, proteins: int, share: float, seed: int) -> None:
    pairs = random_pairs(drugs, proteins, share, seed % 1000)
    try:
        split = splits.derive(pairs, kind, seed)
    except UnusableData:  # so few pairs that a part has one label: refused, which another test looks at
        reject()
    trained = set(split.train.tolist())
    for name, held in split.held.items():
        parts = (held.choose, held.report)
        assert not trained & {*parts[0].tolist(), *parts[1].tolist()}
        assert not set(parts[0].tolist()) & set(parts[1].tolist())
        for column, unseen in ((pairs.drug_P, ("unseen_drug", "both")), (pairs.protein_P, ("unseen_protein", "both"))):
            groups = [set(column[places].tolist()) for places in (split.train, *parts)]
            if name in unseen:
                assert not groups[0] & groups[1]
                assert not groups[0] & groups[2]
                assert not groups[1] & groups[2]


def test_a_split_is_the_same_every_time_and_another_with_another_seed() -> None:
    pairs = random_pairs(30, 30, 0.8, 0)
    first, again, other = (splits.derive(pairs, "unseen_drug", seed) for seed in (1, 1, 2))
    assert first.train.tolist() == again.train.tolist()
    assert first.held["unseen_drug"].report.tolist() == again.held["unseen_drug"].report.tolist()
    assert first.train.tolist() != other.train.tolist()


def test_training_can_be_capped_and_what_is_held_out_stays() -> None:
    pairs = random_pairs(30, 30, 0.8, 0)
    whole, capped = splits.derive(pairs, "both", 1), splits.derive(pairs, "both", 1, most_training=50)
    assert len(capped.train) == 50
    assert set(capped.train.tolist()) <= set(whole.train.tolist())
    assert capped.held["both"].report.tolist() == whole.held["both"].report.tolist()


def test_a_random_split_holds_out_a_tenth_and_a_fifth() -> None:
    pairs = random_pairs(50, 40, 1.0, 0)
    split = splits.derive(pairs, "random", 0)
    held = split.held["random"]
    assert (len(split.train), len(held.choose), len(held.report)) == (1400, 200, 400)


def test_the_joint_split_has_all_four_settings_beside_one_training_set() -> None:
    split = splits.derive(random_pairs(40, 40, 1.0, 0), "joint", 0)
    assert tuple(split.held) == splits.SETTINGS


def test_a_part_with_one_label_is_refused_by_name() -> None:
    pairs = random_pairs(30, 30, 0.8, 0)
    alike = Pairs(pairs.drugs, pairs.proteins, pairs.drug_P, pairs.protein_P, np.ones_like(pairs.label_P))
    with pytest.raises(UnusableData, match=r"only the label 1 in its part training"):
        splits.derive(alike, "random", 0)
