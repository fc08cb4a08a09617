"""Does an item help? Measured by leaving it out at random, with a known probability, and comparing the rounds.

Each round that recalls an item shows it or leaves it out by a draw whose probability is stored. What is compared is the
share of rounds whose candidate beat its parent: every recorded round has that answer, a failed candidate too, and no
fitness is made up for one that has none. Each round counts with the inverse of the probability of what happened to it
(inverse-propensity weighting, normalised), so that the probability may be changed at any time. The difference is shrunk
towards nothing by its own uncertainty: an item that was left out twice has proven little.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from cognition.database import now_iso
from cognition.records import Recall
from cognition.schema import item_uses, recalls

#: How large a real effect is thought to be, as a standard deviation of shares. Ours.
PRIOR_SPREAD = 0.1


@dataclass(frozen=True, slots=True)
class Arm:
    """The rounds in which an item was shown, or those in which it was left out, as weighted sums."""

    rounds: int = 0
    weight: float = 0.0
    squares: float = 0.0  # of the weights
    improved: float = 0.0  # weights of the rounds whose candidate beat its parent

    @property
    def effective(self) -> float:
        """How many equally weighted rounds these are worth."""
        return self.weight**2 / self.squares if self.squares > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Uplift:
    """What an item brings: the difference in the share of better candidates, raw and shrunk."""

    shown: int
    left_out: int
    raw: float
    shrunk: float


def estimate(shown: Arm, left_out: Arm) -> Uplift | None:
    """The uplift of one item; None while one of the arms is empty.

    >>> few = estimate(Arm(2, 2.0, 2.0, 2.0), Arm(1, 1.0, 1.0, 0.0))
    >>> many = estimate(Arm(200, 200.0, 200.0, 200.0), Arm(100, 100.0, 100.0, 0.0))
    >>> few.raw == many.raw, round(few.shrunk, 2), round(many.shrunk, 2)
    (True, 0.03, 0.75)
    """
    if not shown.rounds or not left_out.rounds:
        return None
    raw = shown.improved / shown.weight - left_out.improved / left_out.weight
    share = (shown.improved + left_out.improved + 1.0) / (shown.weight + left_out.weight + 2.0)
    variance = share * (1.0 - share) * (1.0 / shown.effective + 1.0 / left_out.effective)
    return Uplift(shown.rounds, left_out.rounds, raw, raw * PRIOR_SPREAD**2 / (PRIOR_SPREAD**2 + variance))


def uplifts(tx: Connection, ids: Sequence[str]) -> dict[str, Uplift]:
    """The uplifts of those of these items whose both arms have rounds."""
    arms: dict[tuple[str, bool], Arm] = {}
    for start in range(0, len(ids), 500):  # SQLite limits the parameters of a statement
        for row in tx.execute(select(item_uses).where(item_uses.c.item.in_(ids[start : start + 500]))):
            arms[row.item, row.shown] = Arm(row.rounds, row.weight, row.squares, row.improved)
    found = {id: estimate(arms.get((id, True), Arm()), arms.get((id, False), Arm())) for id in ids}
    return {id: uplift for id, uplift in found.items() if uplift is not None}


def keep(tx: Connection, round_id: str, drawn: Iterable[Recall], improved: bool | None) -> None:
    """Log a round's draws and how it ended. What an earlier recording of the round brought is taken back first."""
    for old in tx.execute(select(recalls).where(recalls.c.round_id == round_id)).all():
        _count(tx, Recall(old.item, old.version, old.shown, old.leave_out), old.improved, -1)
    tx.execute(delete(recalls).where(recalls.c.round_id == round_id))
    for recall in drawn:
        values = {"item": recall.item, "version": recall.version, "shown": recall.shown, "leave_out": recall.leave_out}
        row = {"round_id": round_id, **values, "improved": improved, "created_at": now_iso()}
        tx.execute(insert(recalls).values(row))
        _count(tx, recall, improved, 1)


def _count(tx: Connection, recall: Recall, improved: bool | None, sign: int) -> None:
    if improved is None or recall.leave_out == 0.0:  # nothing to compare, or no draw at all
        return
    weight = 1.0 / (1.0 - recall.leave_out if recall.shown else recall.leave_out)
    uses = item_uses.c
    key = (uses.item == recall.item, uses.shown.is_(recall.shown))
    if tx.execute(select(uses.rounds).where(*key)).one_or_none() is None:
        nothing = {"rounds": 0, "weight": 0.0, "squares": 0.0, "improved": 0.0}
        tx.execute(insert(item_uses).values(item=recall.item, shown=recall.shown, **nothing))
    sums = {
        "rounds": uses.rounds + sign,
        "weight": uses.weight + sign * weight,
        "squares": uses.squares + sign * weight**2,
        "improved": uses.improved + sign * weight * improved,
    }
    tx.execute(update(item_uses).where(*key).values(sums))
