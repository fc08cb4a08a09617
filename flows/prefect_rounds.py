"""Rounds as flow runs of their deployment, run inside the campaign's own process.

The idempotency key is the round id, so a resumed campaign continues the very same flow run.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State

from cognition.records import round_id
from flows import deployments, in_process
from flows.config import Settings
from flows.evolution_round import evolution_round


async def register(client: PrefectClient) -> UUID:
    """Create or update the evolution-round deployment; returns its id."""
    await deployments.ensure_pool(client)
    return await deployments.apply(deployments.named("evolution-round"))


async def run_round(client: PrefectClient, deployment: UUID, settings: Settings, index: int) -> State[Any]:
    """Run one round to its end and return its final state; failures are in the state, not raised."""
    name = round_id(settings.name, index)
    parameters = {"settings": settings.model_dump(mode="json"), "index": index}
    return await in_process.run(
        client, in_process.Run(evolution_round, deployment, name, settings, parameters, idempotency_key=name)
    )
