"""Rounds as flow runs of their deployment, run inside the campaign's own process.

A flow run that belongs to a deployment can be retried from the Prefect UI; running it here keeps imports and zygotes
warm. The idempotency key is the round id, so a resumed campaign continues the very same flow run.
"""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import run_flow_async
from prefect.states import Pending
from prefect.types.entrypoint import EntrypointType

from cognition.records import round_id
from flows.config import Settings
from flows.evolution_round import evolution_round

DEPLOYMENT = "evolution-round"


async def register() -> UUID:
    """Create or update the evolution-round deployment; returns its id."""
    deployment = await evolution_round.ato_deployment(
        DEPLOYMENT,
        description="One round of an evolution campaign. Retry runs only the steps that have no stored result.",
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return UUID(str(await deployment.aapply()))


async def run_round(client: PrefectClient, deployment: UUID, settings: Settings, index: int) -> State[Any]:
    """Run one round to its end and return its final state; failures are in the state, not raised."""
    parameters = {"settings": settings.model_dump(mode="json"), "index": index}
    flow_run = await _flow_run(client, deployment, settings, index, parameters)
    # With a deployment id the engine opens a thread and an event stream per flow run, to notice a suspension, and a
    # round is too short to be suspended. The server keeps the link, and with it the Retry button.
    flow_run = flow_run.model_copy(update={"deployment_id": None})
    running = run_flow_async(cast(Any, evolution_round), flow_run, parameters, return_type="state")
    return cast(State[Any], await running)


async def _flow_run(
    client: PrefectClient, deployment: UUID, settings: Settings, index: int, parameters: dict[str, Any]
) -> FlowRun:
    name = round_id(settings.name, index)
    flow_run = await client.create_flow_run_from_deployment(
        deployment,
        parameters=parameters,
        state=Pending(),
        name=name,
        tags=[f"campaign:{settings.name}", f"problem:{settings.problem}"],
        idempotency_key=name,
    )
    if flow_run.state is None or not flow_run.state.is_pending():
        # It ended badly before, or its process was killed: the claim in the archive decides whether we may run it.
        await client.set_flow_run_state(flow_run.id, Pending(message="resumed by its campaign"), force=True)
        flow_run = await client.read_flow_run(flow_run.id)
    return flow_run
