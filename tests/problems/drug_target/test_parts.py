"""What comes out of the sandbox is looked at; what is chosen is chosen on other pairs than what is reported."""

from __future__ import annotations

import ast
import base64
import json
import struct
from typing import Any

import numpy as np
import pytest

from problems.drug_target import proxy, rules, scoring, splits, trial, weights
from problems.drug_target.domain import DrugTarget
from problems.drug_target.exchange import _asked
from problems.drug_target.recipes import LAPTOP, TINY
from problems.drug_target.reference import NAMES, program
from tasks.contract import Measurements

PROBED = {"parameters": 10, "learns": True, "finite": True, "difference": 0.0, "spread": 1.0, "largest": 3.0}
PAIRS = proxy.pairs(proxy.TINY)
SPLIT = splits.derive(PAIRS, "joint", 0)


def safetensors(header: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype: str, shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_weights_are_counted_without_batch_counts() -> None:
    header = {"a": tensor("F32", [2, 3], 0, 24), "seen": tensor("I64", [], 24, 32), "__metadata__": {"x": "y"}}
    assert weights.numbers(safetensors(header, bytes(32))) == 6


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04]",
        struct.pack("<Q", 2**40) + b"{}",
        safetensors({"a": tensor("F64", [3], 0, 24)}, bytes(24)),
        safetensors({"a": tensor("F32", [3], 0, 8)}, bytes(8)),
        safetensors({"a": tensor("F32", [2], 4, 12)}, bytes(8)),
        safetensors({"a": tensor("F32", [-2], 0, 8)}, bytes(8)),
        safetensors({"a": tensor("F32", [2], 0, 8)}, bytes(12)),
        safetensors({"a": {"dtype": "F32"}}, bytes(8)),
        safetensors({"a": 3}, b""),
    ],
)
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(weights.Unreadable):
        weights.numbers(content)


def test_a_probe_without_fault_has_no_issue() -> None:
    assert trial.issues(PROBED, 100) == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"parameters": 101}, "size"),
        ({"parameters": "few"}, "size"),
        ({"learns": False}, "gradients"),
        ({"finite": False}, "finite"),
        ({"difference": 0.02}, "batch"),
        ({"difference": "none"}, "probe"),
        ({"more": 1}, "probe"),
    ],
)
def test_each_fault_of_a_probe_is_named(change: dict[str, Any], rule: str) -> None:
    assert [issue.rule for issue in trial.issues({**PROBED, **change}, 100)] == [rule]


def test_no_label_goes_in_with_pairs_that_are_asked() -> None:
    asked = _asked(PAIRS, SPLIT.held["both"].report, TINY)
    assert set(asked) == {"drugs", "proteins", "sizes", "pairs"}


def test_training_gets_no_held_out_drug_or_protein() -> None:
    asked: Any = _asked(PAIRS, SPLIT.train, TINY)
    drugs = len(np.unique(PAIRS.drug_P[SPLIT.train]))
    assert len(base64.b64decode(asked["drugs"]["atom_ends"])) == 4 * (drugs + 1)
    assert drugs < len(PAIRS.drugs)


def test_the_checkpoint_is_chosen_on_pairs_that_are_not_reported() -> None:
    good_P = np.zeros(len(PAIRS))
    bad_P = np.zeros(len(PAIRS))
    for held in SPLIT.held.values():
        good_P[held.choose] = PAIRS.label_P[held.choose]
        bad_P[held.report] = PAIRS.label_P[held.report]  # perfect where it is not allowed to choose
    assert scoring.chosen(PAIRS, SPLIT, np.stack([bad_P, good_P])) == 1


def test_the_rule_of_the_proxy_scores_its_ceiling_and_no_more() -> None:
    assert PAIRS.chance_P is not None
    metrics, ceiling = scoring.measured(PAIRS, SPLIT, PAIRS.chance_P), scoring.ceilings(PAIRS, SPLIT)
    assert {s: metrics[f"{s}/auroc"] for s in splits.SETTINGS} == pytest.approx(ceiling)
    assert scoring.impossible(metrics, ceiling) == ""


def test_knowing_the_labels_is_impossible() -> None:
    metrics = scoring.measured(PAIRS, SPLIT, PAIRS.label_P.astype(np.float64))
    assert "AUROC 1.000, above the noise ceiling" in scoring.impossible(metrics, scoring.ceilings(PAIRS, SPLIT))


def test_real_data_have_no_ceiling() -> None:
    assert scoring.impossible({"random/auroc": 1.0}, {}) == ""


def test_fitness_is_a_mean_over_seeds_with_its_error() -> None:
    low, high = (Measurements({"auroc": v, "auprc": v, "f1": v, "mcc": v}) for v in (0.6, 0.8))
    score: Any = DrugTarget().score([low, high], None)
    assert (score.fitness, score.evaluations) == (pytest.approx(0.7), 2)
    assert score.standard_error == pytest.approx(0.1)


@pytest.mark.parametrize("name", NAMES)
def test_references_break_no_rule(name: str) -> None:
    assert rules.issues(program(name)) == []


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("class Model(:\n", "syntax"),
        ("class Net: pass\n", "contract"),
        ("class Model:\n    def __init__(self, a, b): ...\n    def forward(self, x): ...\n", "contract"),
        ("import numpy\n" + program("drugban"), "forbidden-import"),
        ("import torch.utils.data\n" + program("drugban"), "forbidden-import"),
        ("x = open('labels')\n" + program("drugban"), "forbidden-call"),
        (program("drugban") + "torch.save(1, 'x')\n", "forbidden-attribute"),
        (program("drugban") + "match torch:\n    case object(save=it): it(1, 'x')\n", "forbidden-attribute"),
    ],
)
def test_each_rule_is_named(code: str, rule: str) -> None:
    assert {issue.rule for issue in rules.issues(code)} == {rule}


def test_options_change_the_recipe() -> None:
    recipe = DrugTarget(DrugTarget.Options(epochs=8, cpu_s=20)).recipe("laptop")
    assert (recipe.epochs, recipe.kept_epochs, recipe.cpu_s) == (8, (4, 6, 8), 20)
    assert recipe.most_training == LAPTOP.most_training


def test_cheats_are_programs_of_their_own() -> None:
    found = DrugTarget().cheats()
    assert len(found) >= 15
    assert [name for name, code in found.items() if code == program("drugban") or not ast.parse(code)] == []


@pytest.mark.parametrize(
    "line",
    [
        "torch.nn.functional.binary_cross_entropy_with_logits = max",
        "F.relu = F.gelu",
        "nn.Linear.forward = None",
        "torch.backends.mkldnn.enabled += 1",
        "del torch.Tensor.add",
    ],
)
def test_nothing_of_torch_is_replaced(line: str) -> None:
    assert "patching" in [issue.rule for issue in rules.issues(f"{program('drugban')}\n{line}\n")]


def test_a_model_may_set_what_is_its_own() -> None:
    code = program("drugban").replace(
        "        super().__init__()\n", "        super().__init__()\n        self.a = 1\n", 1
    )
    assert rules.issues(code) == []
