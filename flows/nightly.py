"""The nightly flow: goes on with a campaign where the last night stopped, for so many rounds, within its limits.

A schedule starts it (prefect.yaml, `nightshift deploy`). What a night may cost is in the campaign's `limits`;
`rounds` is the total of all nights. A retry of a night, from the UI or by reconcile, finishes that night's rounds and
does not add another night's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from prefect import flow, runtime
from pydantic import Field

from cognition.archive import Archive
from flows import versions
from flows.campaign import CampaignFailed, conduct
from flows.config import Settings
from flows.home import open_home


@flow(name="nightly", flow_run_name="nightly-{settings.name}", persist_result=False)
async def nightly(
    settings: Settings,
    rounds_per_night: Annotated[int, Field(ge=1, description="Rounds to add tonight, up to the campaign's total")] = 40,
) -> dict[str, Any]:
    """Run tonight's share of a campaign."""
    versions.refuse_other(runtime.deployment.version, runtime.deployment.name)
    with Archive.open(open_home().archive_url) as archive:
        done = recorded_before(archive, settings.name, began())
    tonight = settings.model_copy(update={"rounds": min(settings.rounds, done + rounds_per_night)})
    ended = await conduct(tonight)
    if ended.is_failure:
        raise CampaignFailed(ended)
    return {"ending": ended.ending, "sentence": ended.sentence}


def began() -> datetime:
    """When this night was due: the same for every retry of the flow run."""
    return runtime.flow_run.scheduled_start_time or datetime.now(UTC)


def recorded_before(archive: Archive, campaign: str, moment: datetime) -> int:
    """How many rounds after the baseline were recorded before that moment; 0 for a campaign that does not exist yet."""
    if campaign not in [known.name for known in archive.campaigns()]:
        return 0
    ended = [r.ended_at for r in archive.rounds(campaign) if r.state == "recorded" and r.index > 0 and r.ended_at]
    return sum(datetime.fromisoformat(at) < moment for at in ended)
