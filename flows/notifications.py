"""The Prefect automation `nightshift-alerts`: it hands every alert event to a notification block.

Made only when a block is configured (`alerts.notification_block`, e.g. "slack-webhook/night"): an automation without
an action would look as if somebody were told. Creating it again changes it in place.
"""

from __future__ import annotations

from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from flows.alarm import EVENT, RESOURCE
from flows.config import ConfigError

NAME = "nightshift-alerts"


async def ensure(client: PrefectClient, block: str | None) -> UUID | None:
    """Create or update the automation; returns its id, None without a block. Raises ConfigError for an unknown one."""
    if block is None:
        return None
    wanted = automation(await _block_id(client, block))
    existing = await client.read_automations_by_name(NAME)
    if not existing:
        return await client.create_automation(wanted)
    first, *twins = existing
    await client.update_automation(first.id, wanted)
    for twin in twins:  # two campaigns that started at the same moment
        await client.delete_automation(twin.id)
    return first.id


def automation(block_document_id: UUID) -> AutomationCore:
    """What is wanted: one notification per alert event of any campaign."""
    return AutomationCore(
        name=NAME,
        description="Notifies about every alert of a Nightshift campaign.",
        enabled=True,
        trigger=EventTrigger(
            expect={f"{EVENT}.*"},
            match={"prefect.resource.id": f"{RESOURCE}.*"},
            posture=Posture.Reactive,
            threshold=1,
            within=0,
        ),
        actions=[
            SendNotification(
                block_document_id=block_document_id,
                subject="Nightshift: {{ event.payload.campaign }}",
                body="{{ event.payload.sentence }} (round {{ event.payload.round }})",
            )
        ],
    )


async def _block_id(client: PrefectClient, block: str) -> UUID:
    kind, slash, name = block.partition("/")
    if not slash or not kind or not name:
        raise ConfigError(f"alerts.notification_block: expected TYPE/NAME, e.g. slack-webhook/night, got {block!r}")
    try:
        return (await client.read_block_document_by_name(name, kind)).id
    except ObjectNotFound:
        raise ConfigError(f"alerts.notification_block: Prefect has no block {block}; create it in its UI") from None
