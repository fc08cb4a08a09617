"""Many processes, one campaign: archive, Prefect server and MLflow on PostgreSQL, one `nightshift run` per worker."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cognition.archive import Archive
from tasks.tracking import open_tracker
from tests.postgres import PostgresServer
from tests.team import Team, team

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def shared(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(postgres, tmp_path_factory.mktemp("team")) as started:
        yield started


def _trained(log: Path) -> Counter[str]:
    return Counter(line for line in log.read_text().splitlines() if line.startswith("trained:"))


def _mlflow_runs(shared: Team, campaign: str) -> Counter[str]:
    client = open_tracker(shared.tracking_uri, shared.folder).client
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    found, token = Counter[str](), None
    while True:
        page = client.search_runs(
            [experiment.experiment_id], f"tags.`nightshift.campaign` = '{campaign}'", page_token=token
        )
        found.update(run.data.tags.get("nightshift.round_id", "the campaign's own") for run in page)
        token = page.token
        if not token:
            return found


def test_eight_processes_share_two_hundred_rounds(shared: Team, tmp_path: Path) -> None:
    name, rounds, log = "eight", 200, tmp_path / "calls"
    workers = [shared.start(name, rounds, worker=n, options__log=log, options__sleep_s=0.05) for n in range(8)]
    assert [worker.wait(timeout=900) for worker in workers] == [0] * 8, shared.log(name, 0)
    recorded = shared.rounds(name)
    assert [row.round_index for row in recorded] == list(range(rounds + 1))
    assert {row.state for row in recorded} == {"recorded"}
    assert len({row.candidate for row in recorded}) == rounds + 1
    assert len({row.owner for row in recorded}) == 8  # each did some
    assert set(_trained(log).values()) == {1}
    assert len(_trained(log)) == rounds + 1
    expected = {f"{name}-{index:04d}" for index in range(rounds + 1)} | {"the campaign's own"}
    assert _mlflow_runs(shared, name) == dict.fromkeys(expected, 1)
    with Archive.open(shared.archive_url) as archive:
        assert archive.pending(1) == []
    for worker in range(8):
        assert "Traceback" not in shared.log(name, worker)


def test_the_rounds_of_a_killed_process_are_taken_over(shared: Team, tmp_path: Path) -> None:
    name, log = "bereft", tmp_path / "calls"
    options = {"options__log": log, "options__sleep_s": 0.5, "lease_s": 10, "tracking__enabled": "false"}
    workers = [shared.start(name, 16, worker=n, **options) for n in range(3)]
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(_trained(log) if log.exists() else ()) < 5:
        time.sleep(0.1)
    os.kill(workers[0].pid, signal.SIGKILL)
    assert [worker.wait(timeout=300) for worker in workers] == [-signal.SIGKILL, 0, 0], shared.log(name, 1)
    assert {row.state for row in shared.rounds(name)} == {"recorded"}
    assert sum(_trained(log).values()) <= 17 + 1  # what was in flight
