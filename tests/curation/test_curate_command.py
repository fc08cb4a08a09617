"""The command `nightshift curate`: programs are found, checked, and refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation import references
from flows import curate
from flows.cli import app
from flows.config import ConfigError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))


def test_apply_cleans_a_folder_and_says_what_it_did(tmp_path: Path) -> None:
    program = Path(references.__file__).parent / "html_only.py"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text('{"text": "<p>one</p>"}\nbroken\n')
    asked = [
        "curate",
        "apply",
        "--strategy",
        str(program),
        "--in",
        str(tmp_path / "in"),
        "--out",
        str(tmp_path / "out"),
    ]
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["read"], report["kept"], report["faults"]) == (2, 1, {"not_json": 1})
    assert '"text":"one"' in (tmp_path / "out" / "00000.jsonl").read_text()


def test_a_strategy_that_breaks_a_rule_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "bad.py"
    program.write_text("import os\ndef clean(text, metadata):\n    return text\n")
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    asked = [
        "curate",
        "apply",
        "--strategy",
        str(program),
        "--in",
        str(tmp_path / "a.jsonl"),
        "--out",
        str(tmp_path / "o"),
    ]
    done = CliRunner().invoke(app, asked)
    assert isinstance(done.exception, ConfigError)
    assert "`os` may not be imported" in str(done.exception)
    assert not (tmp_path / "o").exists()


def test_a_finalist_is_examined_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from curation.domain import Curation

    monkeypatch.setattr(curate, "_options", lambda *_: Curation.Options(documents=24))
    program = str(Path(references.__file__).parent / "raw.py")
    first = CliRunner().invoke(app, ["curate", "examine", "--strategy", program, "--json"])
    assert first.exit_code == 0, first.output
    assert 0.0 < json.loads(first.stdout)["metrics"]["f1"] < 1.0

    def never(*_: object) -> None:
        raise AssertionError("measured a second time")

    monkeypatch.setattr(Curation, "examine", never)
    again = CliRunner().invoke(app, ["curate", "examine", "--strategy", program, "--json"])
    assert again.stdout == first.stdout
