"""Whole studies of the toy problem: every cell is a campaign in the archive; nothing runs twice, also after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cognition.archive import Archive
from flows import progress
from flows.config import ConfigError
from flows.home import open_home
from flows.study import command
from flows.study.settings import validate
from tests.flows.study.examples import TOY, scripted_values, values

ROOT = Path(__file__).parents[3]


def _run(content: dict[str, Any]) -> dict[str, Any]:
    progress.stop_requested.clear()
    try:
        return command.run(open_home(), validate(content, "toys.toml"), Console(quiet=True), ephemeral=False)
    finally:
        progress.watch(progress.Silent())


def _logged(tmp_path: Path, **more: Any) -> dict[str, Any]:
    options = {"log": str(tmp_path / "calls")}
    campaign = {"problem": TOY, "propose": {"kind": "recombine"}, "tracking": {"enabled": False}, "options": options}
    return values(campaign=campaign, **more)


def _trainings(tmp_path: Path) -> Counter[str]:
    words = (tmp_path / "calls").read_text().split()
    return Counter(word.removeprefix("trained:") for word in words if word.startswith("trained:"))


def test_a_study_runs_every_cell_once_and_leaves_its_table_in_mlflow_too(home: Path, tmp_path: Path) -> None:
    from tasks.tracking import open_tracker

    report = _run(_logged(tmp_path))
    assert [line["cells"] for line in report["results"]["arms"]] == [2, 2]
    assert [line["rounds"] for line in report["results"]["arms"]] == [3.0, 3.0]
    assert report["results"]["missing"] == {}
    with Archive.open(open_home().archive_url) as archive:
        assert {c.name for c in archive.campaigns()} == {"toys-a00", "toys-a01", "toys-b00", "toys-b01"}
        assert all(archive.recorded_rounds(c.name) == {0, 1, 2, 3} for c in archive.campaigns())
    folder = Path(report["files"].removeprefix("file://"))
    wanted = {"table.md", "results.json", "rounds.parquet", "cells.parquet", "over_rounds.png", "over_budget.png"}
    assert wanted | {"finals.png", "study.json"} == {path.name for path in folder.iterdir()}
    client = open_tracker(open_home().tracking_uri, open_home().mlflow_artefacts).client
    experiment = client.get_experiment_by_name("studies")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert "recombine/final" in run.data.metrics
    assert wanted <= {file.path for file in client.list_artifacts(run.info.run_id)}


def test_the_same_command_again_runs_nothing_and_gives_the_same_numbers(home: Path, tmp_path: Path) -> None:
    first = _run(_logged(tmp_path))
    before = _trainings(tmp_path)
    assert _run(_logged(tmp_path))["results"] == first["results"]
    assert _trainings(tmp_path) == before
    only_read = command.report(open_home(), validate(_logged(tmp_path), "toys.toml"))
    assert json.loads(json.dumps(only_read["results"])) == json.loads(json.dumps(first["results"]))


def test_other_settings_under_a_studys_name_are_refused(home: Path, tmp_path: Path) -> None:
    _run(_logged(tmp_path))
    for more, what in (({"seeds": 3}, "seeds"), ({"budget": {"rounds": 4}}, "budget"), ({"levels": [-1.0]}, "levels")):
        with pytest.raises(ConfigError, match=rf"study toys was begun with other settings \({what}\)"):
            _run(_logged(tmp_path, **more))
    assert _run(_logged(tmp_path, cells_at_once=1))["results"]["missing"] == {}


def test_a_campaign_of_a_cells_name_that_is_not_the_studys_is_refused(home: Path, tmp_path: Path) -> None:
    with Archive.open(open_home().archive_url) as archive:
        archive.create_campaign("toys-b01", TOY, 1, {}, "1")
    with pytest.raises(ConfigError, match="campaign toys-b01 exists and is not of this study"):
        _run(_logged(tmp_path))


def test_a_study_that_was_stopped_names_what_is_missing_and_goes_on(home: Path, tmp_path: Path) -> None:
    class Impatient(command.Progress):
        def round_ended(self, ended: progress.RoundEnded) -> None:
            progress.stop_requested.set()

    plain = command.Progress
    command.Progress = Impatient  # type: ignore[misc]  # put back below
    try:
        stopped = _run(_logged(tmp_path))
    finally:
        command.Progress = plain  # type: ignore[misc]
    assert len(stopped["results"]["missing"]) == 4
    assert stopped["results"]["arms"][0]["final"] is None
    assert _run(_logged(tmp_path))["results"]["missing"] == {}
    assert set(_trainings(tmp_path).values()) == {1}


def test_a_self_test_with_faults_ends_and_finds_what_was_planted(home: Path) -> None:
    script = {
        **scripted_values()["scripted"],
        "chances": {"base": 0.0, "knowledge": 1.0},
        "faults": {"http_429": 0.1, "http_500": 0.1, "not_json": 0.05},
    }
    report = _run(scripted_values(seeds=3, budget={"rounds": 5}, scripted=script))
    full, blind = report["results"]["arms"]
    assert report["results"]["missing"] == {}
    assert "no evidence about cognition" in report["results"]["title"]
    assert full["final"]["mean"] > blind["final"]["mean"]
    with Archive.open(open_home().archive_url) as archive:
        calls = archive.spend("scripted-toys-a00")
        assert calls.calls >= 10  # a researcher's and an analyzer's for every round
        lessons = [c for c in archive.digests("scripted-toys-b00") if c.provenance.sources]
    assert lessons == []  # the arm without cognition was shown nothing


def test_cells_do_not_see_what_others_learned(home: Path) -> None:
    from cognition.items import ItemStore

    _run(scripted_values(campaign={"problem": TOY, "tracking": {"enabled": False}}))
    with Archive.open(open_home().archive_url) as archive:
        items = ItemStore(archive)
        own = items.all("toy@scripted-toys-a00")
        assert {item.id.rpartition("-")[0] for item in own if item.provenance == "paper"} == {"toy-1", "toy-2"}
        assert items.all("toy") == ()
        evidence = {candidate for item in own for candidate in item.evidence}
    assert all(candidate.startswith("scripted-toys-a00") for candidate in evidence)


def _process(file: Path, home: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "NIGHTSHIFT_HOME": str(home)}
    environment["PREFECT_LOCAL_STORAGE_PATH"] = str(home / "artefacts" / "results")
    log = (file.parent / "output").open("ab")
    code = [sys.executable, "-m", "flows.cli", "study", str(file), "--json"]
    return subprocess.Popen(code, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)


def _as_toml(content: dict[str, Any], tmp_path: Path) -> Path:
    campaign = content["campaign"]
    lines = [
        f'name = "{content["name"]}"',
        f"seeds = {content['seeds']}",
        f"cells_at_once = {content['cells_at_once']}",
        f"budget = {{rounds = {content['budget']['rounds']}}}",
        'arms = [{name = "recombine"}, {name = "random", proposer = "random"}]',
        f'[campaign]\nproblem = "{TOY}"\nlease_s = 5\ntracking = {{enabled = false}}',
        f'options = {{log = "{campaign["options"]["log"]}", sleep_s = 0.3}}',
    ]
    file = tmp_path / "study.toml"
    file.write_text("\n".join(lines))
    return file


def test_after_a_kill_the_command_goes_on_and_repeats_no_training(home: Path, tmp_path: Path) -> None:
    file = _as_toml(_logged(tmp_path), tmp_path)
    killed = _process(file, home)
    deadline = time.monotonic() + 90
    while not (tmp_path / "calls").exists() or sum(_trainings(tmp_path).values()) < 7:
        assert killed.poll() is None, (tmp_path / "output").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    again = _process(file, home)
    assert again.wait(120) == 0, (tmp_path / "output").read_text()
    done = _trainings(tmp_path)
    assert set(done) == {f"toys-{cell}-{k:04d}" for cell in ("a00", "a01", "b00", "b01") for k in range(4)}
    # At most the trainings that were under way when it was killed, one per cell at work, ran a second time.
    assert sum(done.values()) - len(done) <= 2
