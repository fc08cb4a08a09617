"""`nightshift report` and `nightshift compare` as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cognition.archive import Archive
from flows.cli import app
from flows.config import Settings
from flows.home import open_home
from tests.flows.report.scenes import NAME, play


@pytest.fixture(autouse=True)
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder with a campaign of three rounds."""
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    settings = Settings.model_validate({"name": NAME, "problem": "circle_packing", "rounds": 2})
    with Archive.open(open_home().archive_url) as archive:
        archive.create_campaign(NAME, "circle_packing", 0, settings.model_dump(mode="json"), "1")
        first = play(archive, 0, 2.1)
        play(archive, 1, 2.5, play(archive, 2, 2.4, first))


def _called(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result


def test_report_in_the_terminal_in_json_and_as_files(tmp_path: Path) -> None:
    assert "Best sum_radii 2.5 in round 1" in " ".join(_called("report").stdout.split())
    stored = json.loads(_called("report", NAME, "--json").stdout)
    assert stored["goal"]["best_known"] == pytest.approx(2.6359830849)
    assert (stored["rounds_recorded"], stored["rounds_asked"]) == (2, 2)
    page, text = tmp_path / "morning" / "r.html", tmp_path / "r.md"
    _called("report", "--out", str(page))
    _called("report", "--out", str(text), "--since", "1h")
    assert page.read_text().lstrip().startswith("<!doctype html>")
    assert text.read_text().startswith(f"# {NAME}\n")


def test_compare_in_the_terminal_and_in_json() -> None:
    shown = _called("compare", f"{NAME}-0000", f"{NAME}-0001").stdout
    assert "+0.4" in shown
    assert "CAREFUL" not in shown
    assert "mlflow ui --backend-store-uri" in shown
    stored = json.loads(_called("compare", f"{NAME}-0000", f"{NAME}-0001", "--json").stdout)
    assert stored["common_ancestor"] == f"{NAME}-0000"
    assert stored["mlflow_url"] is None
