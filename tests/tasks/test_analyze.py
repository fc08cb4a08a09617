"""Turning measurements into an outcome: a failure is never averaged away."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from cognition.records import Failure, FailureKind, Measurements, Provenance, Score
from tasks.analyze import analyze, evaluations
from tasks.analyzer import RuleAnalyzer
from tasks.engine import STEPS, Engine, Round
from tasks.propose import Proposed
from tasks.retrieve import Retrieved
from tests.toy_domain import Toy, ToyOptions

BASELINE = Round("c", 0, 1, "c-0000", None, (), 0, "none", None, dict.fromkeys(STEPS, 1))
GOOD = Measurements({"closeness": -1.0}, {"x": 2.0})
CRASH = Failure(FailureKind.CRASH, "it crashed")


def _engine() -> Engine:
    domain = Toy(ToyOptions())
    archive = SimpleNamespace(top=lambda campaign, k, up_to: [], candidate=lambda identity: None)
    parts: dict[str, Any] = {"domain": domain, "brief": domain.brief(), "archive": archive, "analyzer": RuleAnalyzer()}
    parts |= {"items": SimpleNamespace(at_versions=lambda wanted: ())}
    parts |= {"campaign": "c", "evaluate": SimpleNamespace(rung="explore"), "evaluation_seeds": lambda: (1, 2, 3)}
    return cast(Engine, SimpleNamespace(**parts))


async def _outcome(*results: Measurements | Failure) -> Score | Failure:
    proposed = Proposed("x = 2", "why", Provenance("baseline"))
    return (await analyze(_engine(), BASELINE, proposed, "x = 2", list(results), Retrieved((), ""))).outcome


async def test_one_failed_replicate_fails_the_candidate() -> None:
    assert await _outcome(GOOD, CRASH, GOOD) == CRASH


async def test_all_replicates_are_scored_together() -> None:
    assert await _outcome(GOOD, GOOD, GOOD) == Score(-1.0, None, 3)


async def test_without_measurements_there_is_no_score() -> None:
    outcome = await _outcome()
    assert isinstance(outcome, Failure)
    assert outcome.kind == FailureKind.INVALID


def test_an_evaluation_keeps_the_seed_it_was_made_on_beside_a_failed_one() -> None:
    kept = evaluations(_engine(), [CRASH, GOOD])
    assert [evaluation.seed for evaluation in kept] == [2]
