"""Measures against scikit-learn, and by hand where that is short."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from problems.drug_target import measures

reference = pytest.importorskip("sklearn.metrics")
LABELLED = st.lists(st.tuples(st.integers(0, 1), st.integers(-4, 4)), min_size=2, max_size=60).filter(
    lambda pairs: len({label for label, _ in pairs}) == 2
)


def arrays(labelled: list[tuple[int, int]]) -> tuple[measures.Labels, measures.Floats]:
    label_P, score_P = np.array(labelled).T
    return label_P.astype(np.int64), score_P.astype(np.float64)


@settings(deadline=None)
@given(LABELLED)
def test_ranking_measures_agree_with_scikit_learn(labelled: list[tuple[int, int]]) -> None:

    label_P, score_P = arrays(labelled)
    assert measures.auroc(label_P, score_P) == pytest.approx(reference.roc_auc_score(label_P, score_P))
    assert measures.auprc(label_P, score_P) == pytest.approx(reference.average_precision_score(label_P, score_P))


@settings(deadline=None)
@given(LABELLED)
def test_calls_agree_with_scikit_learn(labelled: list[tuple[int, int]]) -> None:

    label_P, score_P = arrays(labelled)
    said_P = score_P > 0
    assert measures.f1(label_P, said_P) == pytest.approx(reference.f1_score(label_P, said_P))
    assert measures.mcc(label_P, said_P) == pytest.approx(reference.matthews_corrcoef(label_P, said_P))


@settings(deadline=None)
@given(LABELLED)
def test_no_threshold_has_a_higher_f1(labelled: list[tuple[int, int]]) -> None:
    label_P, score_P = arrays(labelled)
    best = measures.f1(label_P, score_P >= measures.best_threshold(label_P, score_P))
    assert best == pytest.approx(max(measures.f1(label_P, score_P >= each) for each in set(score_P.tolist())))


def test_equal_scores_are_worth_nothing() -> None:
    label_P = np.array([0, 1, 1, 0, 1])
    assert measures.auroc(label_P, np.zeros(5)) == 0.5
    assert measures.auprc(label_P, np.zeros(5)) == pytest.approx(0.6)
    assert measures.mcc(label_P, np.ones(5, dtype=bool)) == 0.0


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_number(label: int) -> None:
    label_P = np.full(4, label)
    for measure in (measures.auroc, measures.auprc, measures.best_threshold):
        with pytest.raises(measures.OneClass, match="all 4 labels"):
            measure(label_P, np.arange(4.0))
    for call in (measures.f1, measures.mcc):
        with pytest.raises(measures.OneClass, match="all 4 labels"):
            call(label_P, np.ones(4, dtype=bool))
