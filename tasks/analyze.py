"""Step 6, analyze: turn measurements into an outcome, and the outcome into a report that later rounds can use."""

from __future__ import annotations

from dataclasses import dataclass

from cognition.features import engine_features
from cognition.lessons import KIND
from cognition.records import (
    Candidate,
    Evaluation,
    Failure,
    FailureKind,
    Item,
    Lesson,
    Measurements,
    Outcome,
    round_id,
)
from tasks.analyzer import AnalysisInput
from tasks.contract import Observes
from tasks.engine import Engine, Round
from tasks.propose import Proposed
from tasks.retrieve import Retrieved, shown


@dataclass(frozen=True, slots=True)
class Analysed:
    """The candidate's outcome, its place in feature space, and the report on it."""

    outcome: Outcome
    report: str
    features: dict[str, float]
    lessons: tuple[Lesson, ...] = ()


async def analyze(
    engine: Engine,
    round: Round,
    proposed: Proposed,
    code: str,
    results: list[Measurements | Failure],
    retrieved: Retrieved,
) -> Analysed:
    """Score, describe, report."""
    measured = [result for result in results if isinstance(result, Measurements)]
    failures = [result for result in results if isinstance(result, Failure)]
    outcome = failures[0] if failures else score(engine, round, measured)
    known = tuple(item for item in shown(engine, retrieved) if item.kind == KIND)
    analysis = await engine.analyzer.study(_input(engine, round, proposed, code, outcome, measured, known))
    features = dict(engine_features(code, engine.brief.seed_program))
    if measured:
        features.update(engine.domain.features(measured[0]))
    observed = engine.domain.observed(measured[0]) if measured and isinstance(engine.domain, Observes) else ()
    return Analysed(outcome, analysis.text, features, (*analysis.lessons, *observed))


def score(engine: Engine, round: Round, measured: list[Measurements]) -> Outcome:
    """The domain's verdict against the baseline, which is measured in round 0."""
    baseline = None
    if not round.is_baseline:
        stored = engine.archive.baseline_evaluations(engine.campaign, engine.evaluate.rung)
        baseline = [evaluation.measurements for evaluation in stored]
    if not measured:
        return Failure(FailureKind.INVALID, "nothing was measured")
    return engine.domain.score(measured, baseline)


def evaluations(engine: Engine, results: list[Measurements | Failure]) -> tuple[Evaluation, ...]:
    """The measurements with the seeds they were made on; failures are the outcome's business."""
    version, rung = engine.domain.contract_version, engine.evaluate.rung
    pairs = zip(engine.evaluation_seeds(), results, strict=False)
    return tuple(Evaluation(rung, seed, version, r) for seed, r in pairs if isinstance(r, Measurements))


def _input(
    engine: Engine,
    round: Round,
    proposed: Proposed,
    code: str,
    outcome: Outcome,
    measured: list[Measurements],
    known: tuple[Item, ...],
) -> AnalysisInput:
    built_on = proposed.provenance.built_on
    first = measured[0] if measured else Measurements({})
    return AnalysisInput(
        round_id=round.id,
        goal=engine.brief.goal,
        metric=engine.brief.metric,
        code=code,
        motivation=proposed.motivation,
        outcome=outcome,
        metrics=first.metrics,
        breakdown=first.breakdown,
        logs=first.logs,
        parent=_candidate(engine, round.parent),
        best=engine.archive.best(engine.campaign),
        baseline=None if round.is_baseline else _candidate(engine, round_id(round.campaign, 0)),
        domain=engine.domain.name,
        genome=proposed.provenance.genome,
        made_from=_candidate(engine, built_on[0]) if built_on else None,
        known=known,
    )


def _candidate(engine: Engine, candidate_id: str | None) -> Candidate | None:
    return engine.archive.candidate(candidate_id) if candidate_id else None
