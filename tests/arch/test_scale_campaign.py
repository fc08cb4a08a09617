"""A campaign at toy size on the way of the rungs on GPUs, killed in the middle of training: it goes on from there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arch import scale_data, scale_train
from arch.reference import program
from arch.scales import TOY
from cognition.archive import Archive
from cognition.records import Score, round_id
from tasks.artefacts import UriWorkspace
from tasks.contract import Sandbox, Trained

ROOT = Path(__file__).parents[2]
NAME, RUNG, STEPS = "toy", "explore-20m", 100
LONGER = replace(TOY, steps=STEPS)
SCRIPT = """
import sys
from dataclasses import replace
from arch import domain
domain.TOY = replace(domain.TOY, steps=int(sys.argv.pop(1)))
from flows.cli import app
app()
"""


def started(home: Path, *words: str) -> subprocess.Popen[bytes]:
    results = {"PREFECT_LOCAL_STORAGE_PATH": str(home / "artefacts" / "results")}
    environment = {**os.environ, **results, "NIGHTSHIFT_HOME": str(home)}
    command = [sys.executable, "-c", SCRIPT, str(STEPS), *words]
    with (home.parent / "output").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def first_checkpoints(home: Path, process: subprocess.Popen[bytes]) -> list[Path]:
    deadline_s = time.monotonic() + 600.0
    while not (found := list(home.glob("artefacts/rounds/*/*/*/*/run/checkpoint-*.safetensors"))):
        assert process.poll() is None, (home.parent / "output").read_text()
        assert time.monotonic() < deadline_s, (home.parent / "output").read_text()
        time.sleep(0.005)
    return found


@pytest.mark.slow
def test_a_killed_campaign_goes_on_from_its_checkpoint(
    prefect_home: Path, torch_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    campaign = ("run", str(ROOT / "campaigns" / "arch-toy.toml"), "--name", NAME, "--rounds", "1")
    first = started(home, *campaign, "--set", "tracking.enabled=false")
    try:
        found = first_checkpoints(home, first)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    run = found[0].parent
    kept = int(max(run.glob("checkpoint-*.safetensors")).stem.partition("-")[2])
    before = records(run / "log.jsonl")[:kept]
    assert kept < STEPS

    assert started(home, "resume", NAME).wait(timeout=900) == 0, (tmp_path / "output").read_text()
    place = run.parent
    log = records(place / "log.jsonl")
    assert [record["step"] for record in log] == list(range(STEPS))
    assert log[:kept] == before  # speeds and all: those steps were not run again
    assert not list(run.glob("checkpoint-*"))

    monkeypatch.setenv("NIGHTSHIFT_HOME", str(home))
    whole = UriWorkspace((tmp_path / "whole").as_uri())
    shards = scale_data.data(RUNG, LONGER, "").shards
    done = scale_train.trained(program("delta_net"), LONGER, int(place.name), shards, torch_sandbox, whole)
    assert isinstance(done, Trained), done
    unbroken = records(tmp_path / "whole" / "log.jsonl")
    assert [record["loss"] for record in log] == [record["loss"] for record in unbroken]
    assert (place / "weights.safetensors").read_bytes() == (tmp_path / "whole" / "weights.safetensors").read_bytes()

    with Archive.open(f"sqlite:///{home / 'nightshift.db'}") as archive:
        outcomes = [archive.outcome(round_id(NAME, index)) for index in range(2)]
        metrics = archive.evaluations(round_id(NAME, 0))[0].measurements.metrics
    assert isinstance(outcomes[0], Score)
    assert outcomes[0].fitness == 0.5
    assert isinstance(outcomes[1], Score)
    assert {"validation_loss", "bits_per_byte", "benchmark_accuracy", "train/tokens_per_s"} <= set(metrics)
    assert "train/mfu" not in metrics  # there is none without CUDA, and absence is no number
