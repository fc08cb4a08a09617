"""Step 1, retrieve: recall what the cognition base knows about the parents' symptoms, and what was vetoed of late.

The sample itself was drawn when the round was opened (cognition/archive.py), in the same transaction that stored it,
so a retry sees the same parents.
"""

from __future__ import annotations

from dataclasses import dataclass

from cognition.records import Candidate, Failure
from tasks.engine import Engine, Round

QUERY_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Ids of the items recalled, best first, and the query that recalled them.

    `not_run`: why the proposals of some earlier rounds were not run, newest first. Kept here, so that a retried propose
    asks the very same question.
    """

    items: tuple[str, ...]
    query: str
    not_run: tuple[Failure, ...] = ()


def retrieve(engine: Engine, round: Round) -> Retrieved:
    """Symptom to remedy: the query is made of the parents' analyses and failures."""
    if round.is_baseline:
        return Retrieved((), "")
    not_run = engine.archive.without_candidate(engine.campaign, engine.retrieve.not_run)
    if engine.retrieve.top_k == 0:
        return Retrieved((), "", not_run)
    sampled = ([round.parent] if round.parent else []) + list(round.references)
    query = symptoms([engine.archive.candidate(candidate) for candidate in sampled]) or engine.brief.goal
    hits = engine.items.search(engine.domain.name, query, engine.retrieve.top_k)
    return Retrieved(tuple(hit.item.id for hit in hits), query, not_run)


def symptoms(candidates: list[Candidate]) -> str:
    """What is known to be wrong or right with these candidates, in the words of their analyses."""
    lines = []
    for candidate in candidates:
        if isinstance(candidate.outcome, Failure):
            lines.append(f"{candidate.outcome.kind}: {candidate.outcome.reason}")
        lines.append(candidate.analysis or candidate.motivation)
    return "\n".join(line for line in lines if line)[:QUERY_CHARS]
