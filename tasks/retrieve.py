"""Step 1, retrieve: recall what the cognition base knows about the parents' symptoms, and what was vetoed of late.

The sample itself was drawn when the round was opened (cognition/archive.py), in the same transaction that stored it,
so a retry sees the same parents. Each item found is left out with a small probability, so that it can be measured
whether items help (cognition/uplift.py); the draws come from the round's seed and are part of the step's result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cognition.randomness import derive
from cognition.recall import Recalled
from cognition.records import Candidate, Failure, Item, Recall
from tasks.bandit import WINDOW, choose
from tasks.embedding import embed_missing
from tasks.engine import Engine, Round

QUERY_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Ids of the items shown, best first, and the query that recalled them.

    `not_run`: why the proposals of some earlier rounds were not run, newest first. `recalls`: every item found, with
    its version and whether it is shown. Both are kept here, so that a retried propose asks the very same question.
    """

    items: tuple[str, ...]
    query: str
    not_run: tuple[Failure, ...] = ()
    recalls: tuple[Recall, ...] = ()
    researcher: str = ""  # the model chosen for this round, where there are several; "": there is no choice


async def retrieve(engine: Engine, round: Round) -> Retrieved:
    """Symptom to remedy: the query is made of the parents' analyses and failures. Raises ModelServerDown."""
    if round.is_baseline:
        return Retrieved((), "")
    return replace(await _recalled(engine, round), researcher=_researcher(engine, round))


async def _recalled(engine: Engine, round: Round) -> Retrieved:
    not_run = engine.archive.without_candidate(engine.campaign, engine.retrieve.not_run)
    if engine.retrieve.top_k == 0:
        return Retrieved((), "", not_run)
    sampled = ([round.parent] if round.parent else []) + list(round.references)
    query = symptoms([engine.archive.candidate(candidate) for candidate in sampled]) or engine.brief.goal
    found = await asyncio.to_thread(_found, engine, query) if engine.embedder else _found(engine, query)
    drawn = draws(found, engine.retrieve.leave_out, engine.seed, round)
    return Retrieved(tuple(recall.item for recall in drawn if recall.shown), query, not_run, drawn)


def _researcher(engine: Engine, round: Round) -> str:
    """Chosen here and not in propose: this step's result is stored, so a retry asks the same model again.

    What the models brought goes on changing after the sample was drawn, so the choice cannot be made again later: a
    round that has asked a model (here, or in the recording that is replayed) stays with it. One that is rerun does not.
    """
    if len(engine.researchers) < 2:
        return ""
    asked = engine.archive.researcher_of(round.id) if round.revision["retrieve"] == 1 else ""
    if asked in engine.researchers:
        return asked
    tried = engine.archive.tried(engine.campaign, WINDOW)
    return choose(engine.researchers, tried, round.index, engine.seed, engine.exploration)


def shown(engine: Engine, retrieved: Retrieved) -> tuple[Item, ...]:
    """The items shown, as they were when they were recalled."""
    return engine.items.at_versions([(recall.item, recall.version) for recall in retrieved.recalls if recall.shown])


def draws(found: Sequence[Recalled], leave_out: float, seed: int, round: Round) -> tuple[Recall, ...]:
    """Which of the items are shown: the same for the same round, whichever process asks."""
    rng = derive(seed, round.index, "recall", round.revision["retrieve"])
    return tuple(Recall(hit.item.id, hit.version, rng.random() >= leave_out, leave_out) for hit in found)


def _found(engine: Engine, query: str) -> list[Recalled]:
    vector = None
    if engine.embedder is not None:
        embed_missing(engine.items, engine.embedder, engine.cognition)
        vector = engine.embedder.embed([query])[0]
    return engine.items.recall(engine.cognition, query, engine.retrieve.top_k, vector)


def symptoms(candidates: list[Candidate]) -> str:
    """What is known to be wrong or right with these candidates, in the words of their analyses."""
    lines = []
    for candidate in candidates:
        if isinstance(candidate.outcome, Failure):
            lines.append(f"{candidate.outcome.kind}: {candidate.outcome.reason}")
        lines.append(candidate.analysis or candidate.motivation)
    return "\n".join(line for line in lines if line)[:QUERY_CHARS]
