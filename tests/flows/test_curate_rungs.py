"""The rungs with trained models: sizes and forecast, and at toy size the whole way from data to benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.rungs import EIGHTEEN, KNOWLEDGE, RUNGS
from flows.cli import app
from flows.config import ConfigError
from flows.curate_rungs import scale_of


def test_sizes_are_as_named() -> None:
    proxy, paper = scale_of(RUNGS["proxy"]), scale_of(RUNGS["paper"])
    assert proxy.tokens == pytest.approx(2.1e9, rel=0.01)
    assert paper.tokens == pytest.approx(500e9, rel=0.001)
    assert paper.parameters == pytest.approx(3e9, rel=0.2)
    assert (len(EIGHTEEN), len(set(EIGHTEEN)), set(KNOWLEDGE) < set(EIGHTEEN)) == (18, 18, True)


def test_the_forecast_names_what_is_not_measured() -> None:
    done = CliRunner().invoke(app, ["curate", "rung", "paper"])
    assert done.exit_code == 0
    assert "not measured" in done.stdout
    assert "mmlu" in done.stdout


@pytest.mark.parametrize("asked", [["--in", "nowhere"], ["--in", "a=/nowhere"], ["other"]])
def test_what_is_wrong_is_said(asked: list[str]) -> None:
    done = CliRunner().invoke(app, ["curate", "rung", *asked])
    assert isinstance(done.exception, ConfigError)


@pytest.mark.slow
def test_two_data_sets_with_equal_tokens_at_toy_size(tmp_path: Path) -> None:
    asked = ["curate", "rung", "proxy", "--toy", "--seeds", "1", "--out", str(tmp_path / "out"), "--json"]
    for name, word in (("raw", "noise <p>"), ("cleaned", "plain words")):
        (tmp_path / name).mkdir()
        rows = "".join(json.dumps({"text": f"{word} number {n} of the file."}) + "\n" for n in range(60))
        (tmp_path / name / "a.jsonl").write_text(rows)
        asked += ["--in", f"{name}={tmp_path / name}"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.exception
    runs = json.loads(done.stdout)["runs"]
    assert [(run["data"], run["tokens"]) for run in runs] == [("raw", 768), ("cleaned", 768)]
    for run in runs:
        assert run["loss"] > 0
        assert 0.0 <= run["benchmarks"]["choice/acc"] <= 1.0
        assert run["benchmarks"]["rolling/bits_per_byte"] > 0
