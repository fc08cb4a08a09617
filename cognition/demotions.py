"""Demotions in the archive: elites that a re-test on fresh seeds found no better than the baseline.

A demoted candidate keeps its row and its score. It is no longer among the best: not for samplers, leaderboards, `best`
or the elites of prompts, and its MAP-Elites cells go to the next best. A later verdict at the same rung can take the
demotion back. Rows are only added and closed, and their clock is the campaign's number of samples drawn, so that what a
sample saw of the ranking can be read again. Cells have the candidates' sequence numbers as their clock (elites.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, select, update

from cognition import elites
from cognition.database import Database, now_iso
from cognition.errors import ArchiveError
from cognition.records import Sample, Score
from cognition.schema import NEVER, campaigns, candidates, demotions, rounds
from cognition.view import newest_sequence


@dataclass(frozen=True, slots=True)
class Demotion:
    """A candidate that counts as one of the best no longer, and what its re-test showed."""

    candidate: str
    rung: str
    gain: float  # mean over the fresh seeds
    replicates: int
    since: int  # samples that the campaign had drawn then
    until: int | None  # the same when it was taken back; None: it stands
    created_at: str  # ISO 8601, UTC


class DemotionStore:
    """The archive's part about demotions."""

    database: Database

    def demote(self, candidate: str, rung: str, gain: float, replicates: int) -> bool:
        """Take a candidate out of the best; False if it was demoted at this rung before. Raises ArchiveError."""
        with self.database.write() as tx:
            row = _find(tx, candidate)
            if _open_at(tx, candidate, rung) is not None:
                return False
            if not _is_demoted(tx, candidate):
                elites.withdraw(tx, row.campaign, candidate, newest_sequence(tx))
            values = {"campaign": row.campaign, "candidate": candidate, "rung": rung, "gain": gain}
            values |= {"replicates": replicates, "since": _drawn(tx, row.campaign), "until": NEVER}
            tx.execute(insert(demotions).values(**values, created_at=now_iso()))
        return True

    def reinstate(self, candidate: str, rung: str) -> bool:
        """Take a demotion at this rung back; False if there was none. Raises ArchiveError."""
        with self.database.write() as tx:
            row = _find(tx, candidate)
            standing = _open_at(tx, candidate, rung)
            if standing is None:
                return False
            closed = {"until": _drawn(tx, row.campaign)}
            tx.execute(update(demotions).where(demotions.c.id == standing).values(closed))
            if not _is_demoted(tx, candidate):
                _place_again(tx, row)
        return True

    def demoted(self, campaign: str) -> dict[str, Demotion]:
        """Who is demoted now, by candidate; of several rungs the first."""
        found: dict[str, Demotion] = {}
        for demotion in self.demotions(campaign):
            if demotion.until is None:
                found.setdefault(demotion.candidate, demotion)
        return found

    def demotions(self, campaign: str) -> list[Demotion]:
        """All of a campaign, those taken back too, in their order."""
        query = select(demotions).where(demotions.c.campaign == campaign).order_by(demotions.c.id)
        with self.database.read() as tx:
            return [_demotion(row) for row in tx.execute(query)]


def _demotion(row: Row[tuple[Any, ...]]) -> Demotion:
    until = None if row.until == NEVER else row.until
    return Demotion(row.candidate, row.rung, row.gain, row.replicates, row.since, until, row.created_at)


def _find(tx: Connection, candidate: str) -> Row[tuple[Any, ...]]:
    row = tx.execute(select(candidates).where(candidates.c.id == candidate)).one_or_none()
    if row is None:
        raise ArchiveError(f"there is no candidate {candidate!r}")
    if row.round_index == 0:
        raise ArchiveError(f"{candidate} is the baseline, which others are compared with: it cannot be demoted")
    return row


def _drawn(tx: Connection, campaign: str) -> int:
    return int(tx.execute(select(campaigns.c.opened).where(campaigns.c.name == campaign)).scalar_one())


def _open_at(tx: Connection, candidate: str, rung: str) -> int | None:
    query = select(demotions.c.id).where(
        demotions.c.candidate == candidate, demotions.c.rung == rung, demotions.c.until == NEVER
    )
    return tx.execute(query).scalar()


def _is_demoted(tx: Connection, candidate: str) -> bool:
    query = select(exists().where(demotions.c.candidate == candidate, demotions.c.until == NEVER))
    return bool(tx.execute(query).scalar())


def _place_again(tx: Connection, row: Row[tuple[Any, ...]]) -> None:
    """Let it compete for its cell on its own island, as when it was recorded."""
    sample: Sample | None = tx.execute(select(rounds.c.sample).where(rounds.c.id == row.round_id)).scalar()
    if sample is None or sample.grid is None or sample.island is None or not isinstance(row.outcome, Score):
        return
    entrant = elites.Entrant(row.id, row.outcome.fitness, elites.cell_of(row.features, sample.grid.bins))
    elites.place(tx, row.campaign, sample.island, entrant, newest_sequence(tx))
