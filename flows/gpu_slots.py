"""The Prefect concurrency limit `gpu`: as many steps at once as there are GPUs, whichever process runs them.

A campaign whose domain needs GPUs creates the limit with one slot if it is missing; `prefect gcl update gpu --limit 2`
is for a machine with two. Steps without GPUs ask nobody.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import get_args

from prefect import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.asyncio import concurrency
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from cognition.records import MachineFault
from flows.config import ConfigError
from tasks.contract import Step
from tasks.engine import Engine

LIMIT = "gpu"
#: A step's slots come free this long after its process is gone; a living one renews them.
LEASE_S = 60.0


class NoGpuSlot(MachineFault):
    """The limit `gpu` cannot be used: it was deleted, or has fewer slots than one step needs."""

    may_pass = False


async def ensure(engine: Engine) -> None:
    """Create the limit if the campaign needs GPUs and there is none. Raises ConfigError if it is too small."""
    steps: tuple[Step, ...] = get_args(Step)
    wanted = max(engine.domain.needs(step, engine.evaluate.rung).gpus for step in steps)
    if wanted == 0:
        return
    slots = await _slots()
    if slots < wanted:
        raise ConfigError(
            f"{engine.domain.name} needs {wanted} GPUs at once, and the concurrency limit {LIMIT} has {slots}: "
            f"`prefect gcl update {LIMIT} --limit {wanted}` if the machine has them"
        )


@asynccontextmanager
async def held(engine: Engine, step: Step) -> AsyncIterator[None]:
    """Wait for the step's GPUs and hold them while the block runs. Raises NoGpuSlot."""
    gpus = engine.domain.needs(step, engine.evaluate.rung).gpus
    if gpus == 0:
        yield
        return
    if await _slots(create=False) < gpus:
        raise NoGpuSlot(f"the concurrency limit {LIMIT} has fewer than {gpus} slots: `prefect gcl inspect {LIMIT}`")
    # A lease that could not be renewed ends no step: its thread would go on using the GPU all the same.
    async with concurrency(
        LIMIT, occupy=gpus, lease_duration=LEASE_S, strict=True, raise_on_lease_renewal_failure=False
    ):
        yield


async def _slots(create: bool = True) -> int:
    async with get_client() as client:
        try:
            return (await client.read_global_concurrency_limit_by_name(LIMIT)).limit
        except ObjectNotFound:
            if not create:
                return 0
        try:
            await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=LIMIT, limit=1))
        except ObjectAlreadyExists:  # another campaign was faster
            return (await client.read_global_concurrency_limit_by_name(LIMIT)).limit
        return 1
