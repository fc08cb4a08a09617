"""Reconcile: which crashed runs are taken up, and which are left alone. The short form of test_recovery.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.states import Crashed, Running

from cognition.archive import Archive
from cognition.records import Sample
from flows import deployments
from flows.claim import owner
from flows.home import open_home
from flows.reconcile import MOST_TIMES, reconcile
from tests.flows.test_campaign import _settings


async def _crashed(client: PrefectClient, settings: Any, *, by_a_worker: bool = True) -> UUID:
    """A campaign whose run crashed."""
    await deployments.ensure_pool(client)
    deployment = await deployments.apply(deployments.named("campaign"))
    parameters = {"settings": settings.model_dump(mode="json")}
    run = await client.create_flow_run_from_deployment(deployment, parameters=parameters, name=settings.name)
    await client.set_flow_run_state(run.id, Running(), force=True)
    if by_a_worker:
        await client.update_flow_run(run.id, infrastructure_pid="1234")
    await client.set_flow_run_state(run.id, Crashed(), force=True)
    return run.id


async def _state(client: PrefectClient, run: UUID) -> str:
    return str((await client.read_flow_run(run)).state_name)


async def test_a_crashed_run_is_taken_up_until_it_is_hopeless(home: Path, tmp_path: Path) -> None:
    async with get_client() as client:
        run = await _crashed(client, _settings("dies", tmp_path))
        for _ in range(MOST_TIMES):
            assert "dies" in (await reconcile())["resubmitted"]
            assert await _state(client, run) == "AwaitingRetry"
            await client.set_flow_run_state(run, Crashed(), force=True)
        assert "dies" not in (await reconcile())["resubmitted"]
        assert await _state(client, run) == "Crashed"


async def test_what_a_person_started_stays_stopped(home: Path, tmp_path: Path) -> None:
    async with get_client() as client:
        run = await _crashed(client, _settings("by-hand", tmp_path), by_a_worker=False)
        assert "by-hand" not in (await reconcile())["resubmitted"]
        assert await _state(client, run) == "Crashed"


async def test_a_run_whose_process_is_alive_is_left_alone(home: Path, tmp_path: Path) -> None:
    """Its heartbeats were lost, as while the server is away; a second process would do its rounds beside it."""
    settings = _settings("lives", tmp_path)
    with Archive.open(open_home().archive_url) as archive:
        archive.create_campaign("lives", settings.problem, 0, settings.model_dump(mode="json"), "1")
        claim = archive.open_round("lives", 0, owner(), 60, lambda view: Sample(None, (), view.sequence, "none"))
        async with get_client() as client:
            run = await _crashed(client, settings)
            assert "lives" not in (await reconcile())["resubmitted"]
            assert await _state(client, run) == "Crashed"
            archive.fail_round(claim.round_id, claim.token, "given up")
            assert "lives" in (await reconcile())["resubmitted"]
