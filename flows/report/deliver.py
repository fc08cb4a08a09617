"""Brings a report to where people look: files in the campaign's workspace (and so to MLflow), and Prefect.

At the end of a campaign run this happens by itself. A report that cannot be made or delivered never fails a campaign.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass

from cognition.archive import Archive
from cognition.database import now_iso
from cognition.records import Artefact
from flows import registry
from flows.alerts import AlertsSettings, Budget
from flows.report import figures, markdown, page
from flows.report.gather import Occasion, gather
from flows.report.records import Goal, Report
from tasks.artefacts import ArtefactError, UriWorkspace
from tasks.contract import Brief, Domain

logger = logging.getLogger(__name__)

RECORD = "report.json"


@dataclass(frozen=True, slots=True)
class Previous:
    """What the last delivered report was about."""

    made_at: str
    since: str | None


def make(
    archive: Archive,
    name: str,
    goal: Goal,
    settings: AlertsSettings,
    place: UriWorkspace,
    *,
    since: str | None = None,
    ending: str = "",
    budgets: tuple[Budget, ...] = (),
) -> Report:
    """The report as of now; without `since`, its news are what ended after the last delivered report."""
    since = since or _since(archive, name, previous(place))
    return gather(archive, name, goal, settings, Occasion(now_iso(), since, ending, budgets))


def goal_of(problem: str, options: dict[str, object]) -> Goal:
    """What the problem's scores measure; a problem that is not installed here can still be reported on."""
    try:
        domain = registry.load(problem, options)
    except registry.UnknownProblem:
        return Goal("score")
    return as_goal(domain, domain.brief())


def as_goal(domain: Domain, brief: Brief) -> Goal:
    """What the report needs to know of a problem."""
    return Goal(brief.shown_as, brief.best_known, domain.objectives, domain.scalarisation)


def previous(place: UriWorkspace) -> Previous | None:
    """The last delivered report, None if there is none or it cannot be read."""
    try:
        stored = json.loads(place.read(RECORD))
        return Previous(str(stored["made_at"]), stored["news"]["since"])
    except (FileNotFoundError, ArtefactError, ValueError, KeyError, TypeError):
        return None


def _since(archive: Archive, name: str, last: Previous | None) -> str | None:
    """Its time; if nothing has ended after it, what it called new is still the news."""
    if last is None:
        return None
    newer = any(summary.ended_at and summary.ended_at > last.made_at for summary in archive.rounds(name))
    return last.made_at if newer else last.since


def as_json(report: Report) -> str:
    """The records as JSON."""
    return json.dumps(asdict(report), indent=2)


def as_page(report: Report) -> str:
    """The HTML page with its figures."""
    return page.render(report, dict(figures.draw(report)))


def store(report: Report, place: UriWorkspace) -> list[Artefact]:
    """Page, Markdown, records and figures as files in the campaign's workspace. Raises ArtefactError."""
    pictures = dict(figures.draw(report))
    contents = {f"{name}.png": content for name, content in pictures.items()}
    contents["fitness.svg"] = figures.one(report, "fitness", "svg")
    contents["report.html"] = page.render(report, pictures).encode("utf-8", "replace")
    contents["report.md"] = markdown.render(report).encode("utf-8", "replace")
    contents[RECORD] = as_json(report).encode()
    return [place.write(name, content) for name, content in contents.items()]


async def to_prefect(report: Report) -> None:
    """The Markdown as an artefact of the running flow, key `report-CAMPAIGN`. Whatever fails is only logged."""
    try:
        from prefect.artifacts import acreate_markdown_artifact

        await acreate_markdown_artifact(
            markdown.render(report),
            key=artefact_key(report.campaign),
            description=f"Report of {report.campaign}",
        )
    except Exception as error:  # noqa: BLE001  # the campaign is over and recorded: no trouble here may change that
        logger.warning("the report did not reach Prefect: %s: %s", type(error).__name__, error)


def artefact_key(campaign: str) -> str:
    """Prefect takes lower-case letters, digits and dashes.

    >>> artefact_key("circle_packing-s0")
    'report-circle-packing-s0'
    """
    return f"report-{campaign.replace('_', '-')}"
