"""The reconcile flow: takes up what a dead process left, with nobody present.

A run whose process is gone is marked Crashed by its worker, or by the automation that misses its heartbeats. This flow
gives such a run back to the workers as the very same flow run; the claim in the archive decides who may record, so a
process that was only asleep does no harm. Only runs that a worker had started are taken up: what a person started in a
terminal and stopped stays stopped. A run that crashed again and again is left to a person.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import flow, get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import AwaitingRetry

from cognition.archive import Archive
from flows.claim import release_dead_claims
from flows.deployments import settings_in
from flows.home import open_home

logger = logging.getLogger(__name__)

TAKEN_UP = ("campaign", "nightly", "evolution-round")
MOST_TIMES = 5
#: How a resubmission is known in the history of a run.
TAKEN = "its process was gone"
LOOK_BACK = timedelta(days=3)


@flow(name="reconcile", persist_result=False)
async def reconcile() -> dict[str, Any]:
    """Release the claims of dead processes, and resubmit crashed runs that have something left to do."""
    with Archive.open(open_home().archive_url) as archive:
        released = sum(release_dead_claims(archive, campaign.name) for campaign in archive.campaigns())
        async with get_client() as client:
            crashed = await crashed_runs(client)
            resubmitted = [run for run in crashed if is_worth_it(archive, run) and await is_patient(client, run)]
            for run in resubmitted:
                await client.set_flow_run_state(run.id, AwaitingRetry(message=TAKEN), force=True)
                logger.warning("%s crashed and is started again", run.name)
    return {"released": released, "resubmitted": [run.name for run in resubmitted]}


async def crashed_runs(client: PrefectClient) -> list[FlowRun]:
    """The crashed runs of the last days that a worker had started."""
    crashed = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CRASHED]))
    recent = FlowRunFilterEndTime(after_=datetime.now(UTC) - LOOK_BACK)
    runs = await client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=list(TAKEN_UP))),
        flow_run_filter=FlowRunFilter(state=crashed, end_time=recent),
    )
    return [run for run in runs if run.infrastructure_pid is not None]


def is_worth_it(archive: Archive, run: FlowRun) -> bool:
    """Whether a crashed run has something left to do, and nobody is at it.

    A run is also marked Crashed when its heartbeats were lost, for instance while the server was away. Then its rounds
    have live leases: it is left alone, and the next reconcile looks again.
    """
    settings = settings_in(run.parameters)
    if settings is None or archive.busy_rounds(settings.name, besides=""):
        return False
    return "index" not in run.parameters or run.parameters["index"] not in archive.recorded_rounds(settings.name)


async def is_patient(client: PrefectClient, run: FlowRun) -> bool:
    """Whether it was not taken up too often already: a run that dies at every start is left to a person."""
    states = await client.read_flow_run_states(run.id)
    return sum(state.message == TAKEN for state in states) < MOST_TIMES
