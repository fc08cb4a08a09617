"""What the Prefect server does by itself: mark runs whose process is silent as Crashed, and start reconcile then.

A flow's process sends a heartbeat every 30 s. The server knows nothing of processes; without these two automations a
run whose worker died with it would stay Running for ever.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

SILENT = "nightshift-silent"
CRASHED = "nightshift-crashed"
SILENCE = timedelta(seconds=90)  # three heartbeats


def silent_runs() -> AutomationCore:
    """After a heartbeat something must follow: another one, or an end."""
    return AutomationCore(
        name=SILENT,
        description="A flow run without a heartbeat for 90 s has lost its process.",
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="no heartbeat for 90 s: its process is gone")],
    )


def crashed_runs(reconcile: UUID) -> AutomationCore:
    """A crash starts the deployment that takes the run up again."""
    return AutomationCore(
        name=CRASHED,
        description="A crashed run is looked at by reconcile, which starts it again if there is something left to do.",
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            expect={"prefect.flow-run.Crashed"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[RunDeployment(source="selected", deployment_id=reconcile)],
    )


async def ensure(client: PrefectClient, wanted: AutomationCore) -> None:
    """Create the automation, or bring the one of that name up to date."""
    known = await client.read_automations_by_name(wanted.name)
    if not known:
        await client.create_automation(wanted)
        return
    first, *twins = known
    await client.update_automation(first.id, wanted)
    for twin in twins:  # two commands at the same moment
        await client.delete_automation(twin.id)
