"""The end of a round: one idempotent transaction that makes it part of the archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from cognition import elites, lessons, uplift
from cognition.database import Database, now_iso
from cognition.item_writes import put_items
from cognition.outbox import put_publication
from cognition.programs import code_hash
from cognition.records import (
    JSON,
    Evaluation,
    Failure,
    Grid,
    Item,
    Lesson,
    Outcome,
    Provenance,
    Recall,
    Sample,
    Score,
)
from cognition.rounds import Found, check_token, find_round, next_candidate_id
from cognition.schema import campaigns, candidates, evaluations, rounds, scores
from cognition.spending import settled_gpu_s
from cognition.view import newest_sequence

NOBODY = Provenance("none")


@dataclass(frozen=True, slots=True)
class RoundResult:
    """Everything a round has brought. `code` is None if no proposal was usable; then the outcome says why."""

    round_id: str
    token: int
    outcome: Outcome
    code: str | None = None
    motivation: str = ""
    provenance: Provenance = NOBODY
    evaluations: tuple[Evaluation, ...] = ()
    analysis: str = ""
    features: dict[str, float] = field(default_factory=dict)
    sandbox_tier: str = ""
    items: tuple[Item, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    recalls: tuple[Recall, ...] = ()  # the cognition items it found, and the draws that showed them or not
    failed_step: str = ""  # where the outcome's failure showed, if it is one
    publication: JSON = None  # put into the outbox in the same transaction, as the step "record"

    def __post_init__(self) -> None:
        if self.code is None and not isinstance(self.outcome, Failure):
            raise ValueError(f"round {self.round_id}: a score without a program")
        keys = {(evaluation.rung, evaluation.seed, evaluation.contract_version) for evaluation in self.evaluations}
        if len(keys) != len(self.evaluations):
            raise ValueError(f"round {self.round_id}: two evaluations at the same rung, seed and contract version")


class RecordStore:
    """The archive's part that records."""

    database: Database

    def record(self, result: RoundResult) -> bool:
        """Make a round part of the archive; False if it already was. Raises StaleLease after a takeover."""
        if result.code is not None:
            code_hash(result.code)  # tokenizing takes milliseconds and is remembered: not while the database is locked
        with self.database.write() as tx:
            row = find_round(tx, result.round_id)
            check_token(row, result.token)
            if row.state == "recorded":
                return False
            candidate = None
            if result.code is not None:
                candidate = next_candidate_id(tx, row)
                _add_candidate(tx, row, result, candidate, result.code)
            _supersede(tx, row)
            if candidate is not None:
                _rank(tx, row, result, candidate)
            put_items(tx, result.items)
            lessons.keep(tx, row.id, candidate, newest_sequence(tx), result.lessons)
            uplift.keep(tx, row.id, result.recalls, _improved(tx, row, result.outcome))
            if result.publication is not None:
                put_publication(tx, row.campaign, result.round_id, "record", result.publication)
            _close(tx, row, result, candidate)
        return True


def _add_candidate(tx: Connection, row: Found, result: RoundResult, candidate: str, code: str) -> None:
    sample: Sample = row.sample
    values = {
        "id": candidate,
        "campaign": row.campaign,
        "round_id": row.id,
        "round_index": row.round_index,
        "code": code,
        "code_hash": code_hash(code),
        "motivation": result.motivation,
        "parents": (*filter(None, [sample.parent]), *sample.references),
        "provenance": result.provenance,
        "outcome": result.outcome,
        "metrics": mean_metrics(result.evaluations),
        "features": result.features,
        "analysis": result.analysis,
        "sandbox_tier": result.sandbox_tier,
        "created_at": now_iso(),
    }
    tx.execute(insert(candidates).values(values))
    for evaluation in result.evaluations:
        add_evaluation(tx, candidate, evaluation)
    _count(tx, row, result.evaluations)


def add_evaluation(tx: Connection, candidate: str, evaluation: Evaluation) -> None:
    """One row; it must not be there yet."""
    values = {
        "candidate": candidate,
        "rung": evaluation.rung,
        "seed": evaluation.seed,
        "contract_version": evaluation.contract_version,
        "measurements": evaluation.measurements,
        "created_at": now_iso(),
    }
    tx.execute(insert(evaluations).values(values))


def _count(tx: Connection, row: Found, measured: Sequence[Evaluation]) -> None:
    """Keep the campaign's running totals. GPU time that was settled when its step ended is not counted again."""
    costs = [evaluation.measurements.cost for evaluation in measured]
    unsettled_gpu_s = max(0.0, sum(cost.gpu_s for cost in costs) - settled_gpu_s(tx, row.id))
    totals = {
        "candidates": campaigns.c.candidates + 1,
        "cpu_s": campaigns.c.cpu_s + sum(cost.cpu_s for cost in costs),
        "gpu_s": campaigns.c.gpu_s + unsettled_gpu_s,
    }
    tx.execute(update(campaigns).where(campaigns.c.name == row.campaign).values(totals))


def _supersede(tx: Connection, row: Found) -> None:
    """The candidate of an earlier revision stays, but out of ranking, cells and sampling."""
    if row.candidate is None:
        return
    tx.execute(update(candidates).where(candidates.c.id == row.candidate).values(superseded=True))
    tx.execute(delete(scores).where(scores.c.candidate == row.candidate))
    elites.withdraw(tx, row.campaign, row.candidate, newest_sequence(tx))


def _rank(tx: Connection, row: Found, result: RoundResult, candidate: str) -> None:
    """Enter the ranking and the island's cells; migrate when it is time."""
    seq = newest_sequence(tx)
    sample: Sample = row.sample
    if isinstance(result.outcome, Score) and result.outcome.ranks:
        _add_score(tx, row.campaign, candidate, seq, result.outcome)
        if sample.grid is not None and sample.island is not None:
            cell = elites.cell_of(result.features, sample.grid.bins)
            entrant = elites.Entrant(candidate, result.outcome.fitness, cell)
            elites.place(tx, row.campaign, sample.island, entrant, seq)
    if sample.grid is not None and _is_time(tx, row.campaign, sample.grid):
        elites.migrate(tx, row.campaign, sample.grid, seq)


def _improved(tx: Connection, row: Found, outcome: Outcome) -> bool | None:
    """Whether the round's candidate beat its parent; one without a score did not. None: no scored parent."""
    sample: Sample = row.sample
    query = select(candidates.c.outcome).where(candidates.c.id == sample.parent)
    parent: Outcome | None = tx.execute(query).scalar()
    if not isinstance(parent, Score) or not parent.ranks:
        return None
    return isinstance(outcome, Score) and outcome.ranks and outcome.fitness > parent.fitness


def _is_time(tx: Connection, campaign: str, grid: Grid) -> bool:
    count: int = tx.execute(select(campaigns.c.candidates).where(campaigns.c.name == campaign)).scalar_one()
    return count % grid.migration_every == 0


def _add_score(tx: Connection, campaign: str, candidate: str, seq: int, score: Score) -> None:
    values = {
        "candidate": candidate,
        "campaign": campaign,
        "seq": seq,
        "fitness": score.fitness,
        "standard_error": score.standard_error,
        "evaluations": score.evaluations,
    }
    tx.execute(insert(scores).values(values))


def _close(tx: Connection, row: Found, result: RoundResult, candidate: str | None) -> None:
    values: dict[str, Any] = {
        "state": "recorded",
        "lease_until": 0.0,
        "candidate": candidate,
        "outcome": result.outcome,
        "reason": "",
        "failed_step": result.failed_step,
        "ended_at": now_iso(),
    }
    tx.execute(update(rounds).where(rounds.c.id == row.id).values(values))


def mean_metrics(measured: Sequence[Evaluation]) -> dict[str, float]:
    """The mean of each metric over the evaluations that have it."""
    collected: dict[str, list[float]] = {}
    for evaluation in measured:
        for name, value in evaluation.measurements.metrics.items():
            collected.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in collected.items()}
