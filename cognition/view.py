"""The archive as samplers see it (cognition/samplers/view.py): indexed, bounded queries inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, exists, select

from cognition.samplers.view import Arm
from cognition.schema import NEVER, candidates, demotions, elites, rounds, scores


@dataclass(frozen=True, slots=True)
class ArchiveView:
    """One campaign as it was when its newest visible candidate was `sequence` and it had drawn `opened` samples."""

    tx: Connection
    campaign: str
    sequence: int
    opened: int

    def pool(self, limit: int) -> list[Arm]:
        """See View."""
        query = (
            select(scores.c.candidate, scores.c.fitness)
            .where(scores.c.campaign == self.campaign, scores.c.seq <= self.sequence, stands(self.opened))
            .order_by(scores.c.fitness.desc(), scores.c.seq)
            .limit(limit)
        )
        return [_arm(row) for row in self.tx.execute(query)]

    def visits(self, candidates: Sequence[str]) -> dict[str, int]:
        """See View. Each round's row carries its parent's running number of visits, so none has to be counted."""
        newest = (
            select(rounds.c.visit)
            .where(rounds.c.parent == scores.c.candidate, rounds.c.opened <= self.opened)
            .order_by(rounds.c.opened.desc())
            .limit(1)
            .scalar_subquery()
        )
        query = select(scores.c.candidate, newest).where(scores.c.candidate.in_(candidates))
        return {candidate: visit or 0 for candidate, visit in self.tx.execute(query)}

    def visits_of(self, candidate: str) -> int:
        """How many rounds were started with this candidate as parent, scored or not."""
        query = select(rounds.c.visit).where(rounds.c.parent == candidate, rounds.c.opened <= self.opened)
        return self.tx.execute(query.order_by(rounds.c.opened.desc()).limit(1)).scalar() or 0

    def elites(self, island: int, limit: int) -> list[Arm]:
        """See View."""
        query = (
            select(elites.c.candidate, elites.c.fitness)
            .where(
                elites.c.campaign == self.campaign,
                elites.c.island == island,
                elites.c.until > self.sequence,
                elites.c.seq <= self.sequence,
            )
            .order_by(elites.c.fitness.desc(), elites.c.id)
            .limit(limit)
        )
        return [_arm(row) for row in self.tx.execute(query)]

    def baseline(self) -> Arm | None:
        """See View."""
        query = (
            select(scores.c.candidate, scores.c.fitness)
            .join(rounds, rounds.c.candidate == scores.c.candidate)
            .where(rounds.c.campaign == self.campaign, rounds.c.round_index == 0, scores.c.seq <= self.sequence)
        )
        row = self.tx.execute(query).one_or_none()
        return _arm(row) if row else None


def stands(opened: int | None = None) -> ColumnElement[bool]:
    """Of a row of `scores`: its candidate is not demoted (cognition/demotions.py), now or after so many samples."""
    if opened is None:
        when: tuple[ColumnElement[bool], ...] = (demotions.c.until == NEVER,)
    else:
        when = (demotions.c.since <= opened, demotions.c.until > opened)
    return ~exists().where(demotions.c.candidate == scores.c.candidate, *when).correlate(scores)


def newest_sequence(tx: Connection) -> int:
    """The newest candidate of the archive, 0 if there is none."""
    return tx.execute(select(candidates.c.seq).order_by(candidates.c.seq.desc()).limit(1)).scalar() or 0


def _arm(row: Row[tuple[str, float]]) -> Arm:
    return Arm(row.candidate, row.fitness)
