"""Feeds flows/alerts.py after each round of a running campaign, and tells Prefect and whoever watches.

Prefect gets the event `nightshift.alert.KIND` about the resource `nightshift.campaign.NAME`; an automation on it can
notify (flows/notifications.py). A Prefect server that does not take the event costs a line in the log, nothing else.
"""

from __future__ import annotations

import logging

import httpx
from prefect.events import emit_event
from prefect.exceptions import PrefectException

from cognition.archive import Archive
from cognition.records import Outcome, Score
from flows import alerts, progress
from flows.alert_budgets import budgets_of
from flows.alerts import Alert, Budget, Ending, Facts
from flows.config import Settings
from flows.report.sums import facts_of, group_of

logger = logging.getLogger(__name__)

EVENT = "nightshift.alert"
RESOURCE = "nightshift.campaign"


class Alarm:
    """One campaign's alerts in this process. What held before a resume is not raised again."""

    def __init__(self, archive: Archive, settings: Settings) -> None:
        """Reads the recorded rounds once; after that the work per round does not depend on their number."""
        self.settings = settings
        budgets = budgets_of(settings.limits, archive.spend(settings.name))
        before = facts_of(archive.rounds(settings.name), budgets, archive.demoted(settings.name))
        self.state = alerts.replay(settings.alerts, before)

    def round_ended(self, index: int, outcome: Outcome | None, budgets: tuple[Budget, ...]) -> None:
        """After every round; outcome None: it failed by our machine's fault."""
        if not self.settings.alerts.enabled:
            return
        fitness = outcome.fitness if isinstance(outcome, Score) and outcome.ranks else None
        facts = Facts(index, _ending(outcome), fitness, budgets)
        self.state, fresh = alerts.after_round(self.settings.alerts, self.state, facts)
        for alert in fresh:
            emit(alert, self.settings.name, self.settings.problem, index)
            progress.watcher.alerted(alert)


def emit(alert: Alert, campaign: str, problem: str, index: int) -> None:
    """Send the alert's event to Prefect."""
    resource = {
        "prefect.resource.id": f"{RESOURCE}.{campaign}",
        "prefect.resource.name": campaign,
        "nightshift.problem": problem,
    }
    payload = {
        "campaign": campaign,
        "round": index,
        "kind": alert.kind,
        "sentence": alert.sentence,
        "value": alert.value,
        "threshold": alert.threshold,
    }
    try:
        emit_event(f"{EVENT}.{alert.kind}", resource, payload=payload)
    except (PrefectException, httpx.HTTPError, OSError) as error:
        logger.warning("the alert %r did not reach Prefect: %s", alert.sentence, error)


def _ending(outcome: Outcome | None) -> Ending:
    if outcome is None:
        return "machine"
    group = group_of("scored" if isinstance(outcome, Score) else str(outcome.kind))
    assert group != "unfinished"  # an outcome is an end
    return group
