"""Step 6, analyze: turn measurements into an outcome, and the outcome into a report that later rounds can use."""

from __future__ import annotations

from collections.abc import Sequence
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
    Score,
    round_id,
)
from tasks.analyzer import AnalysisInput
from tasks.contract import Observes
from tasks.engine import Engine, Round
from tasks.judge import in_words, with_points
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
    train_logs: Sequence[str] = (),
) -> Analysed:
    """Score, describe, report."""
    measured = [result for result in results if isinstance(result, Measurements)]
    failures = [result for result in results if isinstance(result, Failure)]
    outcome = failures[0] if failures else score(engine, round, measured)
    known = tuple(item for item in shown(engine, retrieved) if item.kind == KIND)
    judgement = None
    if isinstance(outcome, Score) and not round.is_baseline:
        metrics = measured[0].metrics
        judgement = await engine.judge.judge(code, metrics, engine.brief, round.id)
        outcome = with_points(outcome, judgement, engine.judge_weight)
    logs = _logs(train_logs, measured)
    analysis = await engine.analyzer.study(_input(engine, round, proposed, code, outcome, measured, known, logs))
    features = dict(engine_features(code, engine.brief.seed_program))
    if measured:
        features.update(engine.domain.features(measured[0]))
    observed = engine.domain.observed(measured[0]) if measured and isinstance(engine.domain, Observes) else ()
    lessons = (*analysis.lessons, *observed)
    if judgement is None:
        return Analysed(outcome, analysis.text, features, lessons)
    features |= {f"judge_{name}": points for name, points in judgement.points.items()}
    return Analysed(outcome, f"{analysis.text}\n{in_words(judgement)}", features, lessons)


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
    logs: str,
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
        logs=logs,
        best_parent=_best_parent(engine, round),
        parent=_candidate(engine, round.parent),
        best=next(iter(engine.archive.top(engine.campaign, 1, up_to=round.sequence)), None),
        baseline=None if round.is_baseline else _candidate(engine, round_id(round.campaign, 0)),
        domain=engine.cognition,
        genome=proposed.provenance.genome,
        made_from=_candidate(engine, built_on[0]) if built_on else None,
        known=known,
    )


def _logs(train_logs: Sequence[str], measured: Sequence[Measurements]) -> str:
    """Everything that was printed, of all replicates; the Analyzer cuts it to what fits."""
    parts = [("training", log) for log in train_logs if log]
    parts += [("benchmark", result.logs) for result in measured if result.logs]
    if len(parts) == 1:
        return parts[0][1]
    return "\n".join(f"[{name} {number}]\n{log}" for number, (name, log) in enumerate(parts, start=1))


def _best_parent(engine: Engine, round: Round) -> Candidate | None:
    """The best of the candidates that the Researcher was shown as parent and references, if that is not the parent."""
    sampled = [engine.archive.candidate(each) for each in (round.parent, *round.references) if each]
    scored = [(candidate.fitness, candidate) for candidate in sampled if candidate.fitness is not None]
    best = max(scored, key=lambda pair: pair[0], default=(0.0, None))[1]
    return None if best is None or best.id == round.parent else best


def _candidate(engine: Engine, candidate_id: str | None) -> Candidate | None:
    return engine.archive.candidate(candidate_id) if candidate_id else None
