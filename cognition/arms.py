"""What the Researcher's models have brought and cost of late: the bandit's data (tasks/bandit.py)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exists, func, select

from cognition.database import Database
from cognition.schema import NEVER, demotions, model_calls, rounds, scores


@dataclass(frozen=True, slots=True)
class Tried:
    """One recorded round of one model: what its candidate gained over its parent, and what its calls cost."""

    model: str
    gain: float  # 0 without a candidate, without a score, without a scored parent, or if a re-test demoted it
    dollars: float


class ArmStore:
    """The archive's part about the Researcher's models."""

    database: Database

    def tried(self, campaign: str, most: int) -> list[Tried]:
        """The newest recorded rounds in which a Researcher was asked, at most that many."""
        newest = (
            select(rounds.c.id, rounds.c.candidate, rounds.c.parent)
            .where(rounds.c.campaign == campaign, rounds.c.state == "recorded", rounds.c.round_index > 0)
            .order_by(rounds.c.round_index.desc())
            .limit(most)
            .subquery()
        )
        own, before = scores.alias("own"), scores.alias("before")
        dollars = func.coalesce(func.sum(model_calls.c.price_usd), 0.0)
        is_noise = (demotions.c.candidate == newest.c.candidate) & (demotions.c.until == NEVER)
        query = (
            select(model_calls.c.model, own.c.fitness, before.c.fitness.label("parent"), dollars.label("dollars"))
            .select_from(newest)
            .join(model_calls, (model_calls.c.round_id == newest.c.id) & (model_calls.c.role == "researcher"))
            .outerjoin(own, (own.c.candidate == newest.c.candidate) & ~exists().where(is_noise))
            .outerjoin(before, before.c.candidate == newest.c.parent)
            .group_by(newest.c.id, model_calls.c.model, own.c.fitness, before.c.fitness)
            .order_by(newest.c.id, model_calls.c.model)
        )
        with self.database.read() as tx:
            return [Tried(row.model, _gain(row.fitness, row.parent), row.dollars) for row in tx.execute(query)]

    def researcher_of(self, round_id: str) -> str:
        """The model that the round's Researcher was asked from first; "" if it was not asked yet."""
        query = select(model_calls.c.model).where(
            model_calls.c.round_id == round_id, model_calls.c.role == "researcher"
        )
        with self.database.read() as tx:
            return tx.execute(query.order_by(model_calls.c.id).limit(1)).scalar() or ""


def _gain(fitness: float | None, parent: float | None) -> float:
    return 0.0 if fitness is None or parent is None else max(0.0, fitness - parent)
