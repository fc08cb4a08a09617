"""Trusted scores: from logits of held-out pairs, whose labels never went in, to metrics and a fitness. Pure; no torch.

The checkpoint and the threshold are chosen on the set to choose by; what is reported is from the other set.
(DrugBAN's code takes its threshold from the test set; ours does not.)

Shapes: C checkpoints, P pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from problems.drug_target import measures
from problems.drug_target.exchange import Logits
from problems.drug_target.pairs import Pairs
from problems.drug_target.splits import Split

NAMES = ("auroc", "auprc", "f1", "mcc")
RANKING_SHARE = 0.8  # of AUROC and AUPRC; F1 and MCC come second (paper, section 5.4, which gives no weights)
ABOVE_CEILING = 0.04  # by how much chance may lift a set of some 400 pairs above the noise ceiling


def chosen(pairs: Pairs, split: Split, logits_CP: Logits) -> int:
    """The checkpoint with the best AUROC plus AUPRC on the sets to choose by. `logits_CP` covers all pairs."""
    return int(np.argmax([_promise(pairs, split, logits_P) for logits_P in logits_CP]))


def _promise(pairs: Pairs, split: Split, logits_P: Logits) -> float:
    parts = [(pairs.label_P[held.choose], logits_P[held.choose]) for held in split.held.values()]
    return sum(measures.auroc(*part) + measures.auprc(*part) for part in parts)


def measured(pairs: Pairs, split: Split, logits_P: Logits) -> dict[str, float]:
    """`setting/measure` for every setting of the split."""
    metrics: dict[str, float] = {}
    for setting, held in split.held.items():
        label_P, score_P = pairs.label_P[held.report], logits_P[held.report]
        threshold = measures.best_threshold(pairs.label_P[held.choose], logits_P[held.choose])
        values = (
            measures.auroc(label_P, score_P),
            measures.auprc(label_P, score_P),
            measures.f1(label_P, score_P >= threshold),
            measures.mcc(label_P, score_P >= threshold),
        )
        metrics |= {f"{setting}/{name}": value for name, value in zip(NAMES, values, strict=True)}
    return metrics


def ceilings(pairs: Pairs, split: Split) -> dict[str, float]:
    """The AUROC of whoever knows the rule of the proxy, by setting; nothing for real data, where it is unknown."""
    if pairs.chance_P is None:
        return {}
    reported = {setting: held.report for setting, held in split.held.items()}
    return {s: measures.auroc(pairs.label_P[places], pairs.chance_P[places]) for s, places in reported.items()}


def impossible(metrics: Mapping[str, float], ceiling: Mapping[str, float]) -> str:
    """What is better than the noise allows, or ""."""
    for setting, highest in ceiling.items():
        if metrics[f"{setting}/auroc"] > highest + ABOVE_CEILING:
            return f"{setting}: AUROC {metrics[f'{setting}/auroc']:.3f}, above the noise ceiling of {highest:.3f}"
    return ""


def means(metrics: Mapping[str, float]) -> dict[str, float]:
    """Each measure's mean over the settings."""
    return {
        name: float(np.mean([value for key, value in metrics.items() if key.endswith(f"/{name}")])) for name in NAMES
    }


def fitness(metrics: Mapping[str, float]) -> float:
    """AUROC and AUPRC first, F1 and MCC second.

    >>> round(fitness({"auroc": 0.9, "auprc": 0.8, "f1": 0.7, "mcc": 0.5}), 6)
    0.8
    """
    ranking = 0.5 * (metrics["auroc"] + metrics["auprc"])
    calling = 0.5 * (metrics["f1"] + metrics["mcc"])
    return RANKING_SHARE * ranking + (1.0 - RANKING_SHARE) * calling


def spread(values: Sequence[float]) -> float | None:
    """The standard error of the mean, None for fewer than two values."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
