"""Runs a flow run of a deployment inside this process, where imports and zygotes are warm.

A flow run that belongs to a deployment can be retried from the Prefect UI; a worker then runs it, in a process of its
own, through the same flow function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import run_flow_async
from prefect.flows import Flow
from prefect.states import Pending

from flows.config import Settings


@dataclass(frozen=True, slots=True)
class Run:
    """A flow run to be made or continued."""

    flow: Flow[..., Any]
    deployment: UUID
    name: str
    settings: Settings
    parameters: dict[str, Any]
    idempotency_key: str | None = None  # the same key continues the very same flow run


async def run(client: PrefectClient, wanted: Run) -> State[Any]:
    """Run it to its end and return its final state; failures are in the state, not raised."""
    flow_run = await _flow_run(client, wanted)
    # With a deployment id the engine opens a thread and an event stream per flow run, to notice a suspension, and ours
    # are never suspended: a pause (flows/asking.py) blocks. The server keeps the link, and with it the Retry button.
    flow_run = flow_run.model_copy(update={"deployment_id": None})
    running = run_flow_async(cast(Any, wanted.flow), flow_run, wanted.parameters, return_type="state")
    return cast(State[Any], await running)


async def _flow_run(client: PrefectClient, wanted: Run) -> FlowRun:
    flow_run = await client.create_flow_run_from_deployment(
        wanted.deployment,
        parameters=wanted.parameters,
        state=Pending(),
        name=wanted.name,
        tags=[f"campaign:{wanted.settings.name}", f"problem:{wanted.settings.problem}"],
        idempotency_key=wanted.idempotency_key,
    )
    if flow_run.state is None or not flow_run.state.is_pending():
        # It ended badly before, or its process was killed: the claim in the archive decides whether we may run it.
        await client.set_flow_run_state(flow_run.id, Pending(message="resumed by its campaign"), force=True)
        flow_run = await client.read_flow_run(flow_run.id)
    return flow_run
