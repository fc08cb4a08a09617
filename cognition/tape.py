"""A campaign as a replay needs it: what was drawn, recalled, asked and concluded in each round, and in which order.

Reads whole campaigns in a few queries; no round does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from cognition.calls import read_call
from cognition.database import Database
from cognition.records import Item, ModelCall, Outcome, Recall, Sample
from cognition.schema import (
    NEVER,
    candidates,
    elites,
    item_evidence,
    item_versions,
    items,
    model_calls,
    outbox,
    recalls,
    rounds,
    scores,
)


@dataclass(frozen=True, slots=True)
class DrawnRound:
    """A round whose sample was drawn, whatever became of it."""

    id: str
    index: int
    opened: int  # its number among the campaign's samples
    sample: Sample
    is_recorded: bool
    was_reopened: bool
    candidate: str | None
    sequence: int | None  # of its candidate
    outcome: Outcome | None
    retrieved_at: str | None  # ISO 8601, UTC
    ended_at: str | None


@dataclass(frozen=True, slots=True)
class Placement:
    """A candidate that entered a MAP-Elites cell."""

    island: int
    cell: str
    candidate: str
    reigns: bool
    migrant: bool


class TapeStore:
    """The archive's part for replays."""

    database: Database

    def drawn_rounds(self, campaign: str) -> list[DrawnRound]:
        """In the order in which their samples were drawn."""
        found = (outbox.c.round_id == rounds.c.id, outbox.c.step == "retrieve", outbox.c.revision == 1)
        query = (
            select(rounds, candidates.c.seq.label("sequence"), outbox.c.created_at.label("retrieved_at"))
            .outerjoin(candidates, candidates.c.id == rounds.c.candidate)
            .outerjoin(outbox, (found[0]) & (found[1]) & (found[2]))
            .where(rounds.c.campaign == campaign, rounds.c.opened.is_not(None))
            .order_by(rounds.c.opened)
        )
        with self.database.read() as tx:
            return [
                DrawnRound(
                    id=row.id,
                    index=row.round_index,
                    opened=row.opened,
                    sample=row.sample,
                    is_recorded=row.state == "recorded",
                    was_reopened=bool(row.revision),
                    candidate=row.candidate,
                    sequence=row.sequence,
                    outcome=row.outcome,
                    retrieved_at=row.retrieved_at,
                    ended_at=row.ended_at,
                )
                for row in tx.execute(query)
            ]

    def recalled(self, campaign: str) -> dict[str, list[Recall]]:
        """What the cognition base gave to each round, by round id; in no order."""
        query = select(recalls).join(rounds, rounds.c.id == recalls.c.round_id).where(rounds.c.campaign == campaign)
        found: dict[str, list[Recall]] = {}
        with self.database.read() as tx:
            for row in tx.execute(query.order_by(recalls.c.round_id, recalls.c.item)):
                recall = Recall(row.item, row.version, row.shown, row.leave_out)
                found.setdefault(row.round_id, []).append(recall)
        return found

    def items_at(self, versions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Item]:
        """What items said at these versions; a version that is not there is left out."""
        wanted = set(versions)
        ids = sorted({id for id, _ in wanted})
        found: dict[tuple[str, int], Item] = {}
        with self.database.read() as tx:
            for start in range(0, len(ids), 500):  # SQLite limits the parameters of a statement
                some = ids[start : start + 500]
                now = select(items.c.id, items.c.version, items.c.content).where(items.c.id.in_(some))
                before = select(item_versions.c.item, item_versions.c.version, item_versions.c.content)
                for query in (now, before.where(item_versions.c.item.in_(some))):
                    found |= {(id, version): content for id, version, content in tx.execute(query)}
        return {key: item for key, item in found.items() if key in wanted}

    def items_before(self, domain: str, moment: str) -> list[Item]:
        """The items of a domain that were there at a time (ISO 8601, UTC), as they are now, oldest first."""
        query = select(items.c.content).where(items.c.domain == domain, items.c.created_at <= moment)
        with self.database.read() as tx:
            return list(tx.execute(query.order_by(items.c.row)).scalars())

    def learned(self, campaign: str) -> dict[str, list[tuple[bool, str]]]:
        """For each round what it said for (True) or against a lesson, in numbers; in no order."""
        query = select(item_evidence).join(rounds, rounds.c.id == item_evidence.c.round_id)
        found: dict[str, list[tuple[bool, str]]] = {}
        with self.database.read() as tx:
            for row in tx.execute(query.where(rounds.c.campaign == campaign)):
                found.setdefault(row.round_id, []).append((row.supports, row.numbers))
        return {id: sorted(said) for id, said in found.items()}

    def asked(self, campaign: str) -> dict[str, list[ModelCall]]:
        """Every call made for a round, by round id, oldest first."""
        query = select(model_calls).join(rounds, rounds.c.id == model_calls.c.round_id)
        found: dict[str, list[ModelCall]] = {}
        with self.database.read() as tx:
            for row in tx.execute(query.where(rounds.c.campaign == campaign).order_by(model_calls.c.id)):
                found.setdefault(row.round_id, []).append(read_call(row))
        return found

    def placements(self, campaign: str) -> list[Placement]:
        """All entries into MAP-Elites cells, in their order."""
        query = select(elites).where(elites.c.campaign == campaign).order_by(elites.c.id)
        with self.database.read() as tx:
            return [
                Placement(row.island, row.cell, row.candidate, row.until == NEVER, row.migrant)
                for row in tx.execute(query)
            ]

    def ranking(self, campaign: str) -> list[str]:
        """Every scored candidate, best first, demoted ones too."""
        query = select(scores.c.candidate).where(scores.c.campaign == campaign)
        with self.database.read() as tx:
            return list(tx.execute(query.order_by(scores.c.fitness.desc(), scores.c.seq)).scalars())
