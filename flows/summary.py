"""The campaign's own MLflow run: fitness curve live, and at the end leaderboard, lineage and curve as figures."""

from __future__ import annotations

from cognition.records import Artefact, Candidate
from flows import figures, spending
from tasks.artefacts import workspace
from tasks.codec import encode
from tasks.engine import Engine
from tasks.publication import Publication
from tasks.tracking import now_ms

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


def publish(engine: Engine, sentence: str, *, failed: bool) -> None:
    """At the end: leaderboard, curve and lineage as artefacts, the ending as a tag."""
    place = workspace(engine.artefact_root, "campaigns", engine.campaign)
    rounds = engine.archive.rounds(engine.campaign)
    leaders = engine.archive.top(engine.campaign, LEADERS)
    files: list[Artefact] = []
    for name, content in figures.of_campaign(engine.brief, rounds, ancestry(engine, leaders)):
        files.append(place.write(name, content))
    publication = Publication(
        engine.domain.name,
        engine.campaign,
        engine.campaign,
        now_ms(),
        tags={"nightshift.ending": sentence, "nightshift.problem": engine.domain.name},
        metrics=spend_by_role(engine),
        step=len(rounds),
        texts={"leaderboard.md": leaderboard(engine, leaders)},
        files=tuple(files),
        status="FAILED" if failed else "FINISHED",
    )
    engine.archive.enqueue(engine.campaign, engine.campaign, f"summary:{now_ms()}", encode(publication))


def spend_by_role(engine: Engine) -> dict[str, float]:
    """Dollars of each role, where a price is known."""
    roles = spending.campaign_report(engine.archive, engine.archive.campaign(engine.campaign))["spend"]["by_role"]
    return {f"role/{role}/spend_usd": of["dollars"] for role, of in roles.items() if of["dollars"] is not None}


def ancestry(engine: Engine, leaders: list[Candidate]) -> list[Candidate]:
    """The best and what it was made from, up through the first of each, youngest first."""
    chain: list[Candidate] = []
    following = leaders[0].id if leaders else None
    while following is not None and following not in [candidate.id for candidate in chain]:
        chain.append(engine.archive.candidate(following))
        following = next(iter(chain[-1].lineage), None)
    return chain


def leaderboard(engine: Engine, leaders: list[Candidate]) -> str:
    """The best candidates as a Markdown table. Text of models and candidates is escaped."""
    lines = [
        f"| rank | candidate | {engine.brief.metric} | proposer | made from | motivation |",
        "|---|---|---|---|---|---|",
    ]
    for rank, candidate in enumerate(leaders, start=1):
        cells = [
            str(rank),
            candidate.id,
            f"{candidate.fitness:.10g}",
            candidate.provenance.proposer,
            ", ".join(candidate.lineage),
            escaped(candidate.motivation)[:200],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Untrusted text for a Markdown table cell: no markup, no line breaks.

    >>> escaped("a|b <script>\\n*c*")
    'a\\\\|b &lt;script&gt; \\\\*c\\\\*'
    """
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "|*_`[]":
        plain = plain.replace(sign, "\\" + sign)
    return plain
