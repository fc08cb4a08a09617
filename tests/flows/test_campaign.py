"""Whole campaigns of the toy problem: real Prefect server, real archive, real MLflow; the sandbox parses programs."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cognition.archive import Archive
from cognition.records import Failure, FailureKind, Score
from flows import progress
from flows.config import Settings
from flows.home import open_home


def _settings(name: str, tmp_path: Path, **values: Any) -> Settings:
    options = {"log": str(tmp_path / "calls"), **values.pop("options", {})}
    sections = {"tracking": {"enabled": False}, "propose": {"kind": "random"}, "workers": 2, "rounds": 3}
    return Settings.model_validate(
        {"name": name, "problem": "tests.toy_domain:Toy", "options": options, **sections, **values}
    )


def _run(settings: Settings) -> Any:
    from flows import runtime

    progress.stop_requested.clear()
    return runtime.run_campaign(settings, lambda: None)


def _calls(tmp_path: Path) -> Counter[str]:
    return Counter((tmp_path / "calls").read_text().split())


def _archive() -> Archive:
    return Archive.open(open_home().archive_url)


def test_a_campaign_records_its_baseline_and_every_round(home: Path, tmp_path: Path) -> None:
    ended = _run(_settings("whole", tmp_path, rounds=4))
    assert ended.ending == "finished", ended.sentence
    with _archive() as archive:
        assert archive.recorded_rounds("whole") == {0, 1, 2, 3, 4}
        baseline = archive.candidate("whole-0000")
        best = archive.best("whole")
    assert baseline.fitness == -9.0
    assert best is not None
    assert best.fitness is not None
    assert best.fitness > -9.0
    assert best.parents


def test_a_finished_campaign_is_not_run_again_and_can_be_extended(home: Path, tmp_path: Path) -> None:
    _run(_settings("longer", tmp_path, rounds=2))
    before = _calls(tmp_path)["train"]
    _run(_settings("longer", tmp_path, rounds=2))
    assert _calls(tmp_path)["train"] == before
    _run(_settings("longer", tmp_path, rounds=3))
    assert _calls(tmp_path)["train"] == before + 1


def test_a_retry_of_a_failed_round_runs_only_the_failed_step(home: Path, tmp_path: Path) -> None:
    fault = tmp_path / "fault"
    settings = _settings("retry", tmp_path, rounds=1, workers=1, options={"fault_file": str(fault)})
    _run(settings.model_copy(update={"rounds": 0}))
    after_baseline = _calls(tmp_path)
    fault.touch()
    ended = _run(settings)
    assert ended.is_failure
    assert "out of order" in ended.sentence
    with _archive() as archive:
        assert archive.rounds("retry")[1].failed_step == "train"
    failed_once = _calls(tmp_path) - after_baseline
    assert failed_once["check"] == 1
    assert failed_once["train"] == 3  # the first try and two retries
    fault.unlink()
    asyncio.run(_press_retry("retry-0001"))
    before = _calls(tmp_path)
    assert _run(settings).ending == "finished"
    again = _calls(tmp_path) - before
    assert again["check"] == 0
    assert again["train"] == 1
    assert again["benchmark"] == 1
    with _archive() as archive:
        assert archive.recorded_rounds("retry") == {0, 1}
        assert archive.candidate("retry-0001").round_index == 1
    states = asyncio.run(_flow_run_states("retry-0001"))
    assert states == ["Completed"]  # the very same flow run, not a second one


def test_a_run_that_is_taken_up_keeps_its_time_limit(home: Path, tmp_path: Path) -> None:
    """What Prefect counted for the first try of a flow run is known to the second."""
    from prefect import flow, get_client
    from prefect.flow_engine import run_flow_async
    from prefect.states import AwaitingRetry

    from flows.campaign import earlier_tries_s

    @flow(persist_result=False)
    async def night() -> float:
        await asyncio.sleep(0.3)
        async with get_client() as client:
            return await earlier_tries_s(client)

    async def both() -> tuple[float, float]:
        async with get_client() as client:
            run = await client.create_flow_run(night)
            first = await run_flow_async(night, run, return_type="result")
            await client.set_flow_run_state(run.id, AwaitingRetry(), force=True)
            second = await run_flow_async(night, await client.read_flow_run(run.id), return_type="result")
        return float(str(first)), float(str(second))

    first, second = asyncio.run(both())
    assert first == 0.0
    assert 0.3 <= second < 30.0


async def _press_retry(name: str) -> None:
    """What the UI's Retry button does: the failed flow run is marked as awaiting its retry."""
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
    from prefect.states import AwaitingRetry

    async with get_client() as client:
        (run,) = await client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[name])))
        assert run.deployment_id is not None  # the UI shows the button only then
        await client.set_flow_run_state(run.id, AwaitingRetry())


async def _flow_run_states(name: str) -> list[str]:
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

    async with get_client() as client:
        runs = await client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[name])))
    return [str(run.state_name) for run in runs]


def test_other_options_under_the_same_name_are_refused(home: Path, tmp_path: Path) -> None:
    from flows.config import ConfigError

    _run(_settings("mixed", tmp_path, rounds=0))
    with pytest.raises(ConfigError, match=r"campaign mixed was measured with options .*--name"):
        _run(_settings("mixed", tmp_path, rounds=1, options={"sleep_s": 0.1}))
    with pytest.raises(ConfigError, match="evaluate"):
        _run(_settings("mixed", tmp_path, rounds=1, evaluate={"replicates": 2}))


def test_machine_faults_in_a_row_stop_the_campaign(home: Path, tmp_path: Path) -> None:
    fault = tmp_path / "fault"
    settings = _settings("down", tmp_path, rounds=30, workers=1, options={"fault_file": str(fault)})
    settings = settings.model_copy(update={"limits": settings.limits.model_copy(update={"machine_failures": 2})})
    _run(settings.model_copy(update={"rounds": 0}))
    fault.touch()
    ended = _run(settings)
    assert ended.ending == "machine_failures"
    assert ended.sentence.startswith("2 rounds in a row failed")
    with _archive() as archive:
        assert archive.recorded_rounds("down") == {0}
        assert [s.state for s in archive.rounds("down")] == ["recorded", "failed", "failed"]


def test_every_replicate_gets_its_own_result(home: Path, tmp_path: Path) -> None:
    _run(_settings("seeds", tmp_path, rounds=0, evaluate={"replicates": 3}))
    assert _calls(tmp_path)["train"] == 3
    with _archive() as archive:
        evaluations = archive.evaluations("seeds-0000")
    assert len({evaluation.seed for evaluation in evaluations}) == 3


def test_a_rerun_keeps_the_steps_before_it_and_supersedes_the_candidate(home: Path, tmp_path: Path) -> None:
    from flows import runtime
    from tasks.engine import STEPS

    settings = _settings("again", tmp_path, rounds=1, workers=1)
    _run(settings)
    before = _calls(tmp_path)
    with _archive() as archive:
        old = archive.candidate("again-0001")
        archive.reopen_round("again-0001", "benchmark", STEPS)
    assert runtime.run_single_round(settings, 1) == "Completed"
    delta = _calls(tmp_path) - before
    assert (delta["check"], delta["train"], delta["benchmark"]) == (0, 0, 1)
    with _archive() as archive:
        new = archive.candidate("again-0001r2")
        assert new.code == old.code
        leaders = [candidate.id for candidate in archive.top("again", 10)]
    assert "again-0001" not in leaders


def test_a_crashing_candidate_is_an_outcome_and_not_our_fault(home: Path, tmp_path: Path) -> None:
    from tests import toy_domain

    original = toy_domain.SEED
    toy_domain.SEED = "x = 0  # crash\n"
    try:
        ended = _run(_settings("crash", tmp_path, rounds=2))
    finally:
        toy_domain.SEED = original
    assert ended.ending == "baseline_failed"
    assert "it crashed" in ended.sentence
    with _archive() as archive:
        assert archive.candidate("crash-0000").outcome == Failure(FailureKind.CRASH, "it crashed", "Traceback: toy")


@pytest.mark.usefixtures("reports")
def test_mlflow_has_one_run_per_candidate_with_its_lineage(home: Path, mlflow_database: Path, tmp_path: Path) -> None:
    from tasks.tracking import open_tracker

    shutil.copy(mlflow_database, open_home().root)

    _run(_settings("shown", tmp_path, rounds=3, tracking={"enabled": True}))
    place = open_home()
    client = open_tracker(place.tracking_uri, place.mlflow_artefacts).client
    found = client.get_experiment_by_name("toy")
    assert found is not None
    experiment = found.experiment_id
    runs = client.search_runs([experiment], "tags.`nightshift.kind` = 'candidate'")
    assert sorted(run.data.tags["nightshift.round_id"] for run in runs) == [f"shown-000{i}" for i in range(4)]
    assert {run.info.status for run in runs} == {"FINISHED"}
    children = client.search_runs([experiment], "tags.`nightshift.parents` LIKE 'shown-0000%'")
    assert children
    with _archive() as archive:
        for run in runs:
            candidate = archive.candidate(run.data.tags["nightshift.candidate"])
            assert isinstance(candidate.outcome, Score)
            assert run.data.metrics["fitness"] == pytest.approx(candidate.outcome.fitness)
        assert archive.pending(10) == []
    campaign = client.search_runs([experiment], "tags.`nightshift.kind` = 'campaign'")[0]
    names = {f.path for f in client.list_artifacts(campaign.info.run_id)}
    figures = {"fitness.png", "fitness.svg", "lineage.png", "outcomes.png", "cost.png"}
    assert names == {"leaderboard.md", "report.html", "report.md", "report.json", *figures}


@pytest.mark.usefixtures("reports")
def test_prefect_gets_the_report_and_the_alerts(home: Path, tmp_path: Path) -> None:
    alerts = {"stagnation_rounds": 1, "candidate_failure_share": 1.0}
    settings = _settings("told", tmp_path, rounds=4, workers=1, alerts=alerts, options={"fault_file": ""})
    assert _run(settings).ending == "finished"
    with _archive() as archive:
        bests = [summary.best_fitness for summary in archive.rounds("told")]
    stood_still = [one == other for one, other in pairwise(bests)]
    raised = sum(now and not before for before, now in pairwise([False, *stood_still]))
    artefact, events = asyncio.run(_told("told", "nightshift.alert.", raised))
    assert artefact.startswith("# told\n\nBest closeness")
    assert [event["event"] for event in events] == ["nightshift.alert.stagnation"] * raised


async def _told(campaign: str, prefix: str, count: int) -> tuple[str, list[dict[str, Any]]]:
    """The campaign's report, and its events whose names begin so, once there are that many."""
    from prefect import get_client
    from prefect.artifacts import Artifact

    artefact = await Artifact.aget(f"report-{campaign}")
    assert artefact is not None
    wanted = {"filter": {"event": {"prefix": [prefix]}, "resource": {"id": [f"nightshift.campaign.{campaign}"]}}}
    async with get_client() as client:
        for _ in range(50):
            found = (await client.request("POST", "/events/filter", json=wanted)).json()["events"]
            if len(found) >= count:
                break
            await asyncio.sleep(0.1)
    return str(artefact.data), found


def test_mlflow_down_does_not_stop_a_round_and_sync_catches_up(
    home: Path, mlflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from flows.cli import app

    shutil.copy(mlflow_database, open_home().root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # and waiting for that is not ours to test
    ended = _run(_settings("catch-up", tmp_path, rounds=1, tracking={"enabled": True}))
    assert ended.ending == "finished"
    with _archive() as archive:
        assert archive.pending(100)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    result = CliRunner().invoke(app, ["sync"])
    assert result.exit_code == 0
    with _archive() as archive:
        assert archive.pending(100) == []
