"""Step 7, record: one idempotent transaction that makes the round part of the archive. Never cached."""

from __future__ import annotations

from dataclasses import dataclass

from cognition.archive import RoundResult
from cognition.records import Evaluation, Failure, Outcome, Provenance, Score
from tasks import publish
from tasks.analyze import Analysed
from tasks.engine import Engine, Round
from tasks.propose import Proposed
from tasks.retrieve import Retrieved


@dataclass(frozen=True, slots=True)
class Recorded:
    """How a round ended, small enough to be a flow's result."""

    round_id: str
    index: int
    candidate: str | None  # None: no proposal was usable
    outcome: Outcome

    @property
    def fitness(self) -> float | None:
        """The fitness, None for a failure."""
        return self.outcome.fitness if isinstance(self.outcome, Score) else None


def record(
    engine: Engine,
    round: Round,
    proposed: Proposed,
    code: str,
    analysed: Analysed,
    evaluations: tuple[Evaluation, ...],
    retrieved: Retrieved,
    failed_step: str = "",
) -> Recorded:
    """Store the candidate with everything known about it. Raises StaleLease if another owner took the round over."""
    engine.archive.record(
        RoundResult(
            round_id=round.id,
            token=round.token,
            code=code,
            motivation=proposed.motivation,
            provenance=proposed.provenance,
            outcome=analysed.outcome,
            evaluations=evaluations,
            analysis=analysed.report,
            features=analysed.features,
            sandbox_tier=engine.sandbox.tier,
            lessons=analysed.lessons,
            recalls=retrieved.recalls,
            failed_step=failed_step,
            publication=publish.recorded(engine, round, analysed.outcome),
        )
    )
    return Recorded(round.id, round.index, round.candidate_id, analysed.outcome)


def record_refusal(engine: Engine, round: Round, failure: Failure, retrieved: Retrieved) -> Recorded:
    """Store a round whose proposals were all unusable."""
    nobody = Provenance("none")
    publication = publish.recorded(engine, round, failure)
    engine.archive.record(
        RoundResult(
            round.id,
            round.token,
            outcome=failure,
            code=None,
            provenance=nobody,
            recalls=retrieved.recalls,
            failed_step="propose",
            publication=publication,
        )
    )
    return Recorded(round.id, round.index, None, failure)
