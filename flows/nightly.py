"""The nightly flow: goes on with a campaign where the last night stopped, for so many rounds, within its limits.

A schedule starts it (prefect.yaml, `nightshift deploy`). What a night may cost is in the campaign's `limits`;
`rounds` is the total of all nights. A retry of a night, from the UI or by reconcile, finishes that night's rounds and
does not add another night's. When the rounds are done the best are tested on fresh seeds (`promote`), so that the
morning report calls nothing best that was noise.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from prefect import flow, runtime
from pydantic import Field

from cognition.archive import Archive
from cognition.records import MachineFault
from flows import config, versions
from flows.campaign import CampaignFailed, Ended, conduct
from flows.config import Settings
from flows.finalists import SELF_REPORTED, Plan
from flows.home import open_home
from flows.promotion import promotion
from tasks.engine import Engine
from tasks.llm import BudgetExhausted

logger = logging.getLogger(__name__)


@flow(name="nightly", flow_run_name="nightly-{settings.name}", persist_result=False)
async def nightly(
    settings: Settings,
    rounds_per_night: Annotated[int, Field(ge=1, description="Rounds to add tonight, up to the campaign's total")] = 40,
    promote: Annotated[bool, Field(description="Test the best on fresh seeds when tonight's rounds are done")] = True,
) -> dict[str, Any]:
    """Run tonight's share of a campaign."""
    versions.refuse_other(runtime.deployment.version, runtime.deployment.name)
    with Archive.open(open_home().archive_url) as archive:
        done = recorded_before(archive, settings.name, began())
    tonight = settings.model_copy(update={"rounds": min(settings.rounds, done + rounds_per_night)})
    ended = await conduct(tonight, closing=retested if promote else None)
    if ended.is_failure:
        raise CampaignFailed(ended)
    return {"ending": ended.ending, "sentence": ended.sentence}


async def retested(engine: Engine, ended: Ended) -> Ended:
    """Promote what looks best, if tonight's rounds are done and scores can be promoted. Never changes how it ended.

    A night that was stopped, ran out of time or money, or failed is not made longer.
    """
    if ended.ending != "finished" or engine.brief.metric.startswith(SELF_REPORTED):
        return ended
    settings = config.validate(engine.archive.campaign(engine.campaign).settings, f"campaign {engine.campaign}")
    if settings.evaluate.rung in settings.approval.rungs:  # a promotion asks again, and nobody is there at night
        return replace(ended, sentence=f"{ended.sentence}; not re-tested: rung {settings.evaluate.rung} needs a yes")
    try:
        report = await promotion(settings, Plan())
    except (MachineFault, config.ConfigError, BudgetExhausted) as error:
        logger.warning("%s was not re-tested tonight: %s", engine.campaign, error)
        return replace(ended, sentence=f"{ended.sentence}; not re-tested: {error}")
    counts = Counter(row["verdict"] for row in report["finalists"])
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())) or "nobody to test"
    best = engine.archive.best(engine.campaign)
    found = "" if best is None else f", best after it {best.id}"
    return replace(ended, sentence=f"{ended.sentence}; on fresh seeds: {said}{found}")


def began() -> datetime:
    """When this night was due: the same for every retry of the flow run."""
    return runtime.flow_run.scheduled_start_time or datetime.now(UTC)


def recorded_before(archive: Archive, campaign: str, moment: datetime) -> int:
    """How many rounds after the baseline were recorded before that moment; 0 for a campaign that does not exist yet."""
    if campaign not in [known.name for known in archive.campaigns()]:
        return 0
    ended = [r.ended_at for r in archive.rounds(campaign) if r.state == "recorded" and r.index > 0 and r.ended_at]
    return sum(datetime.fromisoformat(at) < moment for at in ended)
