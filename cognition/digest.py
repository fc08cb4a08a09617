"""A whole campaign in a few queries, without its programs: what reports are made of.

Not for rounds: the work grows with the campaign.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from cognition.database import Database
from cognition.outbox import OutboxEntry
from cognition.records import FRESH_FROM, Cost, Outcome, Provenance
from cognition.schema import candidates, evaluations, model_calls, outbox


@dataclass(frozen=True, slots=True)
class CandidateDigest:
    """A candidate without its program and its texts."""

    id: str
    campaign: str
    round_index: int
    parents: tuple[str, ...]
    provenance: Provenance
    outcome: Outcome
    metrics: dict[str, float]  # means over the evaluations
    sandbox_tier: str

    @property
    def lineage(self) -> tuple[str, ...]:
        """The candidates this one was made from, the most important first."""
        return self.parents if self.provenance.built_on is None else self.provenance.built_on


@dataclass(frozen=True, slots=True)
class CallTotal:
    """All calls of one round, role and model together."""

    round_id: str
    role: str
    model: str
    calls: int
    unpriced_calls: int  # of `calls`
    prompt_tokens: int
    completion_tokens: int
    dollars: float  # of calls whose price is known


class DigestStore:
    """The archive's part for reports."""

    database: Database

    def digests(self, campaign: str) -> list[CandidateDigest]:
        """The candidates that are not superseded, oldest first."""
        columns = [candidates.c[name] for name in CandidateDigest.__dataclass_fields__]
        query = select(*columns).where(candidates.c.campaign == campaign, candidates.c.superseded.is_(False))
        with self.database.read() as tx:
            return [CandidateDigest(**row._mapping) for row in tx.execute(query.order_by(candidates.c.seq))]

    def costs(self, campaign: str, *, fresh: bool = True) -> dict[str, Cost]:
        """What the recorded evaluations of each candidate used; a candidate without any is not in it.

        `fresh`: with those that promotion made later, on seeds of its own.
        """
        query = select(evaluations.c.candidate, evaluations.c.measurements).join(
            candidates, candidates.c.id == evaluations.c.candidate
        )
        if not fresh:
            query = query.where(evaluations.c.seed < FRESH_FROM)
        found: dict[str, Cost] = {}
        with self.database.read() as tx:
            for row in tx.execute(query.where(candidates.c.campaign == campaign)):
                found[row.candidate] = _sum(found.get(row.candidate, Cost()), row.measurements.cost)
        return found

    def call_totals(self, campaign: str) -> list[CallTotal]:
        """The ledger by round, role and model."""
        calls = model_calls.c
        key = (calls.round_id, calls.role, calls.model)
        query = select(
            *key,
            func.count().label("calls"),
            (func.count() - func.count(calls.price_usd)).label("unpriced_calls"),
            func.sum(calls.prompt_tokens).label("prompt_tokens"),
            func.sum(calls.completion_tokens).label("completion_tokens"),
            func.coalesce(func.sum(calls.price_usd), 0.0).label("dollars"),
        )
        query = query.where(calls.campaign == campaign).group_by(*key).order_by(*key)
        with self.database.read() as tx:
            return [CallTotal(**row._mapping) for row in tx.execute(query)]

    def publications(self, campaign: str, step: str) -> list[OutboxEntry]:
        """What a step has published in every round, published already or not; the newest revision of each round."""
        query = select(outbox).where(outbox.c.campaign == campaign, outbox.c.step == step)
        with self.database.read() as tx:
            rows = tx.execute(query.order_by(outbox.c.round_id, outbox.c.revision)).all()
        newest = {row.round_id: row for row in rows}
        return [
            OutboxEntry(row.id, row.campaign, row.round_id, row.revision, row.step, row.payload)
            for row in newest.values()
        ]


def _sum(one: Cost, other: Cost) -> Cost:
    return Cost(
        one.cpu_s + other.cpu_s,
        one.wall_s + other.wall_s,
        one.gpu_s + other.gpu_s,
        max(one.peak_memory_mb, other.peak_memory_mb),
    )
