"""The campaign's own MLflow run: fitness curve live, and at the end leaderboard, morning report and figures."""

from __future__ import annotations

import logging

from cognition.records import Artefact, Candidate
from flows import spending
from flows.alerts import AlertsSettings, Budget
from flows.report import deliver
from flows.report.escape import markdown_text
from flows.report.records import Report
from tasks.artefacts import UriWorkspace, workspace
from tasks.codec import encode
from tasks.engine import Engine
from tasks.publication import Publication
from tasks.tracking import now_ms

logger = logging.getLogger(__name__)

LEADERS = 20


def publish_round(engine: Engine, index: int) -> None:
    """After a round: the best so far, and what has been spent."""
    best = engine.archive.best(engine.campaign)
    spend = engine.archive.spend(engine.campaign)
    metrics = {"candidate_cpu_s": spend.cpu_s, "wall_h": spend.wall_s / 3600}
    if spend.gpu_s:
        metrics["gpu_h"] = spend.gpu_s / 3600
    if (dollars := spending.known_usd(spend.dollars, spend.calls, spend.unpriced_calls)) is not None:
        metrics["spend_usd"] = dollars
    if best is not None and best.fitness is not None:
        metrics["best_fitness"] = best.fitness
    publication = Publication(
        engine.domain.name, engine.campaign, engine.campaign, now_ms(), metrics=metrics, step=index
    )
    engine.archive.enqueue(engine.campaign, engine.campaign, f"round:{index}", encode(publication))


def publish(engine: Engine, sentence: str, report: Report | None, *, failed: bool) -> None:
    """At the end: leaderboard, report and figures as artefacts, the ending as a tag."""
    leaders = engine.archive.top(engine.campaign, LEADERS)
    publication = Publication(
        engine.domain.name,
        engine.campaign,
        engine.campaign,
        now_ms(),
        tags={"nightshift.ending": sentence, "nightshift.problem": engine.domain.name},
        metrics=spend_by_role(engine) | origins(report),
        step=len(engine.archive.recorded_rounds(engine.campaign)),
        texts={"leaderboard.md": leaderboard(engine, leaders)},
        files=() if report is None else tuple(_files(engine, report)),
        status="FAILED" if failed else "FINISHED",
    )
    engine.archive.enqueue(engine.campaign, engine.campaign, f"summary:{now_ms()}", encode(publication))


def origins(report: Report | None) -> dict[str, float]:
    """Where the ideas came from, of all candidates and of those above the baseline; nothing where there are none."""
    found = {} if report is None else {"origin": report.origins, "origin_winners": report.winning_origins}
    return {
        f"{name}/{part}": getattr(shares, part)
        for name, shares in found.items()
        if shares is not None
        for part in ("cognition", "experience", "novel")
    }


def spend_by_role(engine: Engine) -> dict[str, float]:
    """Dollars of each role, where a price is known."""
    roles = spending.campaign_report(engine.archive, engine.archive.campaign(engine.campaign))["spend"]["by_role"]
    return {f"role/{role}/spend_usd": of["dollars"] for role, of in roles.items() if of["dollars"] is not None}


def report_of(engine: Engine, settings: AlertsSettings, sentence: str, budgets: tuple[Budget, ...]) -> Report | None:
    """The morning report as of now; None, and a line in the log, if it cannot be made."""
    try:
        goal = deliver.as_goal(engine.domain, engine.brief)
        return deliver.make(
            engine.archive, engine.campaign, goal, settings, campaign_place(engine), ending=sentence, budgets=budgets
        )
    except Exception:  # the edge of a run that is recorded already: a report must not change how it ended
        logger.exception("the report could not be made; `nightshift report` tries again")
        return None


def campaign_place(engine: Engine) -> UriWorkspace:
    """Where a campaign's own files are."""
    return workspace(engine.artefact_root, "campaigns", engine.campaign)


def _files(engine: Engine, report: Report) -> list[Artefact]:
    try:
        return deliver.store(report, campaign_place(engine))
    except Exception:  # as above, and a full disk is the likeliest reason
        logger.exception("the report could not be stored; `nightshift report --out` writes it elsewhere")
        return []


def leaderboard(engine: Engine, leaders: list[Candidate]) -> str:
    """The best candidates as a Markdown table. Text of models and candidates is escaped."""
    lines = [
        f"| rank | candidate | {engine.brief.shown_as} | proposer | made from | motivation |",
        "|---|---|---|---|---|---|",
    ]
    for rank, candidate in enumerate(leaders, start=1):
        cells = [
            str(rank),
            candidate.id,
            f"{candidate.fitness:.10g}",
            candidate.provenance.proposer,
            ", ".join(candidate.lineage),
            markdown_text(candidate.motivation[:200]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
