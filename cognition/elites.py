"""MAP-Elites cells in the archive: placing a candidate, migrating elites, withdrawing one. Called while recording.

Rows of `elites` are only added; `until` closes the reign of a displaced elite at the sequence number of the candidate
that displaced it. So the elites at any earlier sequence number can still be read (cognition/view.py). A demotion, and
taking it back, brings no candidate and has no number of its own: it takes effect at the newest one, so what is read at
that very number is what holds since. Samples drawn before at that number stay as they are stored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, exists, insert, select, update

from cognition.records import Grid
from cognition.schema import NEVER, elites


@dataclass(frozen=True, slots=True)
class Entrant:
    """A candidate that claims a cell."""

    candidate: str
    fitness: float
    cell: str


def cell_of(features: Mapping[str, float], bins: int) -> str:
    """A candidate's cell: one number per axis, axes in alphabetic order. Values outside [0, 1] go to the edge.

    >>> cell_of({"diversity": 0.55, "complexity": 1.0}, 10)
    'complexity=9,diversity=5'
    """
    return ",".join(f"{axis}={min(bins - 1, max(0, int(value * bins)))}" for axis, value in sorted(features.items()))


def place(tx: Connection, campaign: str, island: int, entrant: Entrant, seq: int, *, migrant: bool = False) -> bool:
    """Let a candidate compete for its cell on an island; True if it is the elite now."""
    cell = (elites.c.campaign == campaign, elites.c.island == island, elites.c.cell == entrant.cell)
    reigning = tx.execute(select(elites.c.id, elites.c.fitness).where(*cell, elites.c.until == NEVER)).one_or_none()
    wins = reigning is None or entrant.fitness > reigning.fitness
    if reigning is not None and wins:
        tx.execute(update(elites).where(elites.c.id == reigning.id).values(until=seq))
    tx.execute(
        insert(elites).values(
            campaign=campaign,
            island=island,
            cell=entrant.cell,
            candidate=entrant.candidate,
            fitness=entrant.fitness,
            seq=seq,
            until=NEVER if wins else seq,
            migrant=migrant,
        )
    )
    return wins


def migrate(tx: Connection, campaign: str, grid: Grid, seq: int) -> None:
    """Copy the best elites of every island to the next one, all at once, in a ring."""
    if grid.islands < 2 or grid.migration_rate == 0:
        return
    leaving = {island: _emigrants(tx, campaign, island, grid) for island in range(grid.islands)}
    for island, entrants in leaving.items():
        target = (island + 1) % grid.islands
        for entrant in entrants:
            if not _was_placed(tx, entrant.candidate, target):
                place(tx, campaign, target, entrant, seq, migrant=True)


def withdraw(tx: Connection, campaign: str, candidate: str, seq: int) -> None:
    """Take a superseded or demoted candidate out of all cells; the next best that was ever placed there succeeds it.

    `seq`: of the candidate that takes its place in its round; of a demotion the newest there is, since it counts at
    once and not from the next candidate on. What was read below `seq` is read like that for ever.
    """
    own = tx.execute(select(elites).where(elites.c.candidate == candidate)).all()
    tx.execute(update(elites).where(elites.c.candidate == candidate, elites.c.until == NEVER).values(until=seq))
    tx.execute(update(elites).where(elites.c.candidate == candidate).values(cell=""))
    for row in own:
        if row.until == NEVER:
            _elect(tx, campaign, row.island, row.cell, seq)


def _elect(tx: Connection, campaign: str, island: int, cell: str, seq: int) -> None:
    query = (
        select(elites.c.candidate, elites.c.fitness, elites.c.cell)
        .where(elites.c.campaign == campaign, elites.c.island == island, elites.c.cell == cell)
        .order_by(elites.c.fitness.desc(), elites.c.id)
        .limit(1)
    )
    successor = tx.execute(query).one_or_none()
    if successor is not None:
        place(tx, campaign, island, Entrant(successor.candidate, successor.fitness, successor.cell), seq)


def _emigrants(tx: Connection, campaign: str, island: int, grid: Grid) -> list[Entrant]:
    query = (
        select(elites.c.candidate, elites.c.fitness, elites.c.cell)
        .where(elites.c.campaign == campaign, elites.c.island == island, elites.c.until == NEVER)
        .order_by(elites.c.fitness.desc(), elites.c.id)
    )
    reigning = [Entrant(row.candidate, row.fitness, row.cell) for row in tx.execute(query)]
    return reigning[: math.ceil(len(reigning) * grid.migration_rate)]


def _was_placed(tx: Connection, candidate: str, island: int) -> bool:
    query = select(exists().where(elites.c.candidate == candidate, elites.c.island == island))
    return bool(tx.execute(query).scalar())
