"""Confirmations in the archive: measurements of candidates on fresh seeds, made after their round was recorded.

They are rows of `evaluations` with seeds from FRESH_FROM on. No round, report or sampler reads them, so that what is
evolved is never chosen by the seeds that are to confirm it. They change no score and no ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update

from cognition.database import Database
from cognition.errors import ArchiveError
from cognition.recording import add_evaluation
from cognition.records import FRESH_FROM, Evaluation
from cognition.schema import campaigns, candidates, evaluations


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A candidate that was tested at a rung on fresh seeds."""

    candidate: str
    rung: str


class ConfirmationStore:
    """The archive's part about fresh seeds."""

    database: Database

    def confirm(self, candidate: str, measured: Sequence[Evaluation]) -> int:
        """Add measurements on fresh seeds to a recorded candidate; returns how many were new. Raises ArchiveError.

        Its CPU time counts for the campaign; GPU time was counted when its step ended.
        """
        if wrong := [evaluation.seed for evaluation in measured if evaluation.seed < FRESH_FROM]:
            raise ValueError(f"{candidate}: seed {wrong[0]} is one of the rounds', not a fresh one")
        with self.database.write() as tx:
            campaign = tx.execute(select(candidates.c.campaign).where(candidates.c.id == candidate)).scalar()
            if campaign is None:
                raise ArchiveError(f"there is no candidate {candidate!r} to confirm")
            keys = (evaluations.c.rung, evaluations.c.seed, evaluations.c.contract_version)
            known = {tuple(row) for row in tx.execute(select(*keys).where(evaluations.c.candidate == candidate))}
            new = [e for e in measured if (e.rung, e.seed, e.contract_version) not in known]
            for evaluation in new:
                add_evaluation(tx, candidate, evaluation)
            cpu_s = sum(evaluation.measurements.cost.cpu_s for evaluation in new)
            more = {"cpu_s": campaigns.c.cpu_s + cpu_s}
            tx.execute(update(campaigns).where(campaigns.c.name == campaign).values(more))
        return len(new)

    def confirmations(self, candidate: str, rung: str) -> list[Evaluation]:
        """The measurements of a candidate at one rung on fresh seeds, by seed."""
        query = select(evaluations).where(
            evaluations.c.candidate == candidate, evaluations.c.rung == rung, evaluations.c.seed >= FRESH_FROM
        )
        with self.database.read() as tx:
            rows = tx.execute(query.order_by(evaluations.c.seed, evaluations.c.contract_version)).all()
        return [Evaluation(row.rung, row.seed, row.contract_version, row.measurements) for row in rows]

    def confirmed(self, campaign: str) -> list[Confirmed]:
        """Every candidate and rung that was tested on fresh seeds, the baseline left out, in the order of their tests.

        The order never changes, since rows are only added: a finalist's number stays its own.
        """
        first = func.min(evaluations.c.created_at)
        query = (
            select(evaluations.c.candidate, evaluations.c.rung)
            .join(candidates, candidates.c.id == evaluations.c.candidate)
            .where(candidates.c.campaign == campaign, candidates.c.round_index > 0, evaluations.c.seed >= FRESH_FROM)
            .group_by(evaluations.c.candidate, evaluations.c.rung, candidates.c.seq)
            .order_by(first, candidates.c.seq, evaluations.c.rung)
        )
        with self.database.read() as tx:
            return [Confirmed(row.candidate, row.rung) for row in tx.execute(query)]
