"""The command line as a person uses it: what it prints, and one line for everything that goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from flows.cli import app

TOY = "tests.toy_domain:Toy"
ROOT = Path(__file__).parents[2]


def _nightshift(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NIGHTSHIFT_HOME": str(home), "COLUMNS": "200", **environment},
        timeout=120,
        check=False,
    )


def _one_line(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_run_best_show_and_status_in_json(prefect_home: Path, mlflow_database: Path, tmp_path: Path) -> None:
    shutil.copy(mlflow_database, tmp_path / "mlflow.db")
    run = _nightshift(
        "run", TOY, "--rounds", "2", "--name", "toy-c", "--set", "propose.kind=random", "--json", home=tmp_path
    )
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert report["ending"] == "finished"
    best = json.loads(_nightshift("best", "--json", home=tmp_path).stdout)
    assert best["id"] == report["best"]["id"]
    assert Path(best["artefacts"]["x.txt"]).exists()
    shown = json.loads(_nightshift("show", best["id"], "--json", home=tmp_path).stdout)
    assert shown == best
    status = json.loads(_nightshift("status", "--json", home=tmp_path).stdout)
    assert status["campaigns"][0]["rounds_recorded"] == 2
    assert status["waiting_for_mlflow"] == 0
    out = tmp_path / "out"
    assert _nightshift("best", "--out", str(out), home=tmp_path).returncode == 0
    assert {path.name for path in out.iterdir()} == {"program.py", "x.txt"}


@pytest.mark.slow
def test_ctrl_c_ends_cleanly_and_resume_goes_on(prefect_home: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows.cli", "run", TOY, "--rounds", "30", "--workers", "1", "--name", "toy-c"]
    command += [
        "--set",
        "propose.kind=random",
        "--set",
        "options.sleep_s=0.3",
        "--set",
        "tracking.enabled=false",
        "--set",
        f"options.log={tmp_path}/calls",
    ]
    environment = {**os.environ, "NIGHTSHIFT_HOME": str(tmp_path / "home"), "COLUMNS": "200"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    _wait_for(lambda: _trainings(tmp_path) >= 3, process)
    process.send_signal(signal.SIGINT)
    output, trouble = process.communicate(timeout=60)
    assert process.returncode == 130, trouble
    assert "nightshift resume" in output
    resumed = _nightshift("resume", "--rounds", "8", "--json", home=tmp_path / "home")
    assert json.loads(resumed.stdout)["rounds_recorded"] >= 8
    recorded = json.loads(_nightshift("status", "--json", home=tmp_path / "home").stdout)["campaigns"][0][
        "rounds_recorded"
    ]
    assert _trainings(tmp_path) == recorded + 1  # every round and the baseline once, nothing twice


def _trainings(folder: Path) -> int:
    log = folder / "calls"
    return log.read_text().split().count("train") if log.exists() else 0


def _wait_for(condition: Any, process: subprocess.Popen[str], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_typo_in_the_toml_stops_the_run(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('name = "c"\nproblem = "circle_packing"\nround = 2\n')
    assert "did you mean rounds" in _one_line(_nightshift("run", str(path), home=tmp_path / "home"))


def test_an_unknown_campaign_lists_the_known(tmp_path: Path) -> None:
    assert "nosuch" in _one_line(_nightshift("best", "nosuch", home=tmp_path))


def test_before_the_first_run_the_commands_say_how_to_start(tmp_path: Path) -> None:
    assert "nightshift run circle_packing" in _one_line(_nightshift("best", home=tmp_path))


def test_a_database_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    _nightshift("status", home=tmp_path)
    with sqlite3.connect(tmp_path / "nightshift.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffff_from_the_future'")
    assert "newer" in _one_line(_nightshift("status", home=tmp_path))


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = _nightshift("status", home=tmp_path / "file" / "home")
    assert "file/home" in _one_line(result)


def test_a_port_in_use_does_not_matter(tmp_path: Path) -> None:
    from flows import local_server

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert local_server.free_port(preferred=port) != port


def test_doctor_names_the_tier_in_use(tmp_path: Path) -> None:
    report = json.loads(_nightshift("doctor", "--json", home=tmp_path).stdout)
    assert report["sandbox"] in {tier["name"] for tier in report["tiers"] if tier["works"]}


@pytest.mark.parametrize("command", typer.main.get_command(app).commands)  # type: ignore[attr-defined]  # a group
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"{command} [OPTIONS]" in result.stdout


@pytest.mark.slow
def test_a_killed_prefect_server_ends_the_run_with_one_sentence_and_resume_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import local_server
    from flows.home import open_home

    monkeypatch.delenv("PREFECT_API_URL", raising=False)  # of another test's server, if there was one
    home = open_home(tmp_path / "home")
    private = {**local_server.prefect_environment(home), "NIGHTSHIFT_HOME": str(home.root), "COLUMNS": "200"}
    options = ["propose.kind=random", "options.sleep_s=0.3", f"options.log={tmp_path}/calls", "tracking.enabled=false"]
    sets = [word for option in options for word in ("--set", option)]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", TOY, "--rounds", "60", "--workers", "2", "--name", "toy-c", *sets],
        cwd=ROOT, env={**os.environ, **private}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        _wait_for(lambda: _trainings(tmp_path) >= 4, process, 120)
        server = local_server.find(home)
        assert server is not None
        os.kill(server.pid, signal.SIGKILL)
        _, trouble = process.communicate(timeout=150)
        assert process.returncode == 1
        assert trouble.strip().splitlines()[-1].startswith("nightshift: the Prefect server at")
        before = _trainings(tmp_path)
        resumed = _nightshift("resume", "--rounds", str(before + 4), "--json", home=home.root, **private)
        assert json.loads(resumed.stdout)["ending"] == "finished", resumed.stderr
    finally:
        local_server.stop(home)
    assert _trainings(tmp_path) - (before + 5) <= 2  # what was in flight, and nothing else
