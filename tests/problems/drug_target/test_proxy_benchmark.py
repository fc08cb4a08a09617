"""The proxy's benchmark: what its tables say of given results, and which results it takes for its own."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmarks import drug_target_proxy as benchmark
from benchmarks.drug_target_proxy import Result
from problems.drug_target.scoring import NAMES

AUROC = {"random_forest": (0.60, 0.70), "two_towers": (0.64, 0.62), "drugban": (0.70, 0.74)}


def results(made_with: str = "") -> list[Result]:
    """Two seeds of three references on one split; the forest is the best of the others, by .65 to .63."""
    return [
        Result(name, "both", seed, {f"both/{each}": value for each in NAMES}, {"both": 0.9}, 1.0, "", made_with)
        for name, values in AUROC.items()
        for seed, value in enumerate(values)
    ]


def test_differences_are_paired_and_against_the_best_other() -> None:
    lines = list(benchmark.table(results()))
    assert "| both | random_forest | +0.070 | -0.311 to +0.451 | 2 of 2 | 0.180, 0.160 |" in lines


def test_a_seed_that_one_reference_lacks_is_not_compared() -> None:
    lines = list(benchmark.table(results()[:-1]))
    assert "| both | two_towers | +0.060 | one seed | 1 of 1 | 0.200, 0.200 |" in lines


def test_auroc_at_a_glance() -> None:
    lines = list(benchmark.table(results()))
    assert "| two_towers | 0.630 ± 0.014 |" in lines
    assert "| noise ceiling | 0.900 ± 0.000 |" in lines


def test_a_failure_is_named_and_no_number() -> None:
    lines = list(benchmark.table([Result("drugban", "both", 0, None, None, 3.0, "training diverged")]))
    assert lines == ["drugban, both, seed 0 failed: training diverged"]


def test_results_of_another_proxy_are_left_aside(tmp_path: Path) -> None:
    mine = results(benchmark.made_with("random_forest"))[:1]
    out = tmp_path / "results.jsonl"
    out.write_text("".join(json.dumps(asdict(each)) + "\n" for each in (*mine, *results("another")[1:])))
    assert benchmark.read(out) == mine


def test_a_network_depends_on_its_program() -> None:
    assert len({benchmark.made_with(name) for name in ("drugban", "two_towers", "random_forest")}) == 3
