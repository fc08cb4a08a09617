"""A sweep: one campaign per category and quality, names derived, resumable, one table with intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows import curate_sweep, runtime
from flows.cli import app
from flows.config import ConfigError
from flows.curate_sweep import planned

TOML = """
name = "small"
problem = "curation"
rounds = 1
workers = 1
[sweep]
categories = ["mathematics", "other_stem"]
qualities = ["low"]
[options]
documents = 24
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TOML)
    return path


def test_each_cell_is_a_campaign_of_its_own(file: Path) -> None:
    cells = planned(file, {"rounds": 3})
    assert [cell.name for cell in cells] == ["small-mathematics-low", "small-other-stem-low"]
    assert cells[0].options == {"documents": 24, "category": "mathematics", "quality": "low"}
    assert cells[1].rounds == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[sweep]", "[sweeps]", r"no table \[sweep\]"),
        ("qualities", "quality", "sweep.quality: Extra inputs"),
        ('"other_stem"', '"cooking"', "option category"),
        ("documents", "document", "option document"),
    ],
)
def test_a_typo_stops_the_sweep_before_anything_runs(file: Path, old: str, new: str, message: str) -> None:
    from flows.registry import UnknownProblem

    file.write_text(TOML.replace(old, new))
    with pytest.raises((ConfigError, UnknownProblem), match=message):
        planned(file, {})


def test_the_shipped_sweep_is_valid() -> None:
    cells = planned(Path(curate_sweep.__file__).parents[1] / "campaigns" / "curation-sweep.toml", {})
    assert len(cells) == 6


def test_a_cell_that_fails_does_not_stop_the_others(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cognition.records import MachineFault
    from flows.campaign import Ended

    seen: list[str] = []

    def run(settings: Any, home: Any, screen: Any) -> Ended:
        seen.append(settings.name)
        if "mathematics" in settings.name:
            raise MachineFault("the disk is full")
        return Ended("finished", "1 round recorded")

    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(runtime, "enter", lambda *_, **__: "")
    monkeypatch.setattr(curate_sweep, "_run_one", run)
    done = CliRunner().invoke(app, ["curate", "sweep", str(file), "--json"])
    cells = json.loads(done.stdout)["cells"]
    assert (done.exit_code, len(seen)) == (1, 2)
    assert [cell["ending"] for cell in cells] == ["failed: the disk is full", "1 round recorded"]


def test_it_runs_its_campaigns_once_and_tells_them_in_a_table(file: Path, home: Path) -> None:
    first = CliRunner().invoke(app, ["curate", "sweep", str(file), "--json"])
    assert first.exit_code == 0, first.output
    cells = json.loads(first.stdout[first.stdout.index("{") :])["cells"]
    assert [(cell["category"], cell["rounds"], cell["judge"]) for cell in cells] == [
        ("mathematics", 1, "rule judge, no model"),
        ("other_stem", 1, "rule judge, no model"),
    ]
    for cell in cells:
        value, low, high = cell["f1"]
        assert 0.0 < low <= value <= high <= 1.0
    again = CliRunner().invoke(app, ["curate", "sweep", str(file), "--table"])
    assert "mathematics, low" in again.stdout
    assert "1/1" in again.stdout
