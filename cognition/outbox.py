"""The outbox: what is to be shown in MLflow, kept beside the truth until MLflow has it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Connection, exists, insert, select, update

from cognition.database import Database, now_iso
from cognition.records import JSON
from cognition.rounds import revision_of
from cognition.schema import outbox, rounds


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One publication that waits."""

    id: int
    campaign: str
    round_id: str
    revision: int
    step: str
    payload: JSON


class OutboxStore:
    """The archive's part about publications."""

    database: Database

    def enqueue(self, campaign: str, round_id: str, step: str, payload: JSON) -> bool:
        """Queue a step's publication; False if this revision of the step is queued or published already.

        `round_id` may also be the campaign's name, for the campaign's own run.
        """
        with self.database.write() as tx:
            return put_publication(tx, campaign, round_id, step, payload)

    def publishing(self) -> AbstractContextManager[bool]:
        """Try to be the only publisher of all processes; yields whether it worked.

        Two at once would make two runs of one round. What is pending has to be asked for inside.
        """
        return self.database.alone("publisher")

    def pending(self, limit: int) -> list[OutboxEntry]:
        """The oldest entries not published yet."""
        query = select(outbox).where(outbox.c.published.is_(False)).order_by(outbox.c.id).limit(limit)
        with self.database.read() as tx:
            rows = tx.execute(query).all()
        return [OutboxEntry(row.id, row.campaign, row.round_id, row.revision, row.step, row.payload) for row in rows]

    def mark_published(self, ids: Iterable[int]) -> None:
        """Never hand these out again, unless they are requeued."""
        published = list(ids)
        if not published:
            return
        with self.database.write() as tx:
            for start in range(0, len(published), 500):  # SQLite limits the parameters of a statement
                chunk = published[start : start + 500]
                tx.execute(update(outbox).where(outbox.c.id.in_(chunk)).values(published=True))

    def requeue(self, campaign: str) -> int:
        """Publish everything of a campaign again; returns how many entries."""
        with self.database.write() as tx:
            return tx.execute(update(outbox).where(outbox.c.campaign == campaign).values(published=False)).rowcount


def put_publication(tx: Connection, campaign: str, round_id: str, step: str, payload: JSON) -> bool:
    """`OutboxStore.enqueue` inside a transaction."""
    revision = _revision(tx, round_id, step)
    same = (outbox.c.round_id == round_id, outbox.c.revision == revision, outbox.c.step == step)
    if tx.execute(select(exists().where(*same))).scalar():
        return False
    values = {"campaign": campaign, "round_id": round_id, "revision": revision, "step": step}
    tx.execute(insert(outbox).values(**values, payload=payload, created_at=now_iso()))
    return True


def _revision(tx: Connection, round_id: str, step: str) -> int:
    """The step's revision; the round's newest for what is no step; 1 for a campaign's own run."""
    row = tx.execute(select(rounds.c.revision).where(rounds.c.id == round_id)).one_or_none()
    if row is None:
        return 1
    revision = revision_of(row)
    return revision.get(step, max(revision.values()))
