"""Turning measurements into an outcome: a failure is never averaged away."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from cognition.records import Failure, FailureKind, Measurements, Provenance, Score
from tasks.agents import Judgement, OffJudge
from tasks.analyze import Analysed, analyze, evaluations
from tasks.analyzer import Analysis, AnalysisInput, RuleAnalyzer, rule_analysis
from tasks.engine import STEPS, Engine, Round
from tasks.propose import Proposed
from tasks.retrieve import Retrieved
from tests.tasks.agent_examples import candidate
from tests.toy_domain import Toy, ToyOptions

BASELINE = Round("c", 0, 1, "c-0000", None, (), 0, "none", None, dict.fromkeys(STEPS, 1))
GOOD = Measurements({"closeness": -1.0}, {"x": 2.0})
CRASH = Failure(FailureKind.CRASH, "it crashed")


def _engine() -> Engine:
    domain = Toy(ToyOptions())
    archive = SimpleNamespace(top=lambda campaign, k, up_to: [], candidate=lambda identity: None)
    parts: dict[str, Any] = {
        "domain": domain,
        "cognition": domain.name,
        "brief": domain.brief(),
        "archive": archive,
        "analyzer": RuleAnalyzer(),
    }
    parts |= {"items": SimpleNamespace(at_versions=lambda wanted: ()), "judge": OffJudge(), "judge_weight": 0.0}
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


class Telling(RuleAnalyzer):
    """Keeps what it was given."""

    async def study(self, experiment: AnalysisInput) -> Analysis:
        self.given = experiment
        return await super().study(experiment)


class Opinion:
    """A judge with one opinion, or none."""

    def __init__(self, points: float | None) -> None:
        self.judgement = None if points is None else Judgement({"innovation": points}, "Bold.", "m")

    async def judge(self, *_: object) -> Judgement | None:
        return self.judgement


ROUND = Round("c", 4, 1, "c-0004", "c-0001", ("c-0002", "c-0003"), 9, "none", None, dict.fromkeys(STEPS, 1))


async def _analysed(judge: Opinion, weight: float, *results: Measurements) -> tuple[Analysed, AnalysisInput]:
    engine, analyzer = _engine(), Telling()
    known = {f"c-000{n}": replace(candidate(n, Score(float(n))), id=f"c-000{n}") for n in range(4)}
    parts = cast(SimpleNamespace, engine)
    parts.archive = SimpleNamespace(
        top=lambda campaign, k, up_to: [known["c-0003"]],
        candidate=lambda identity: known[identity],
        baseline_evaluations=lambda campaign, rung: [],
    )
    parts.judge, parts.judge_weight, parts.analyzer = judge, weight, analyzer
    proposed = Proposed("x = 2", "why", Provenance("openai"))
    done = await analyze(engine, ROUND, proposed, "x = 2", list(results), Retrieved((), ""), ("loss 3\n", "loss 2\n"))
    return done, analyzer.given


async def test_the_analyzer_sees_all_that_was_printed_and_the_best_of_those_shown() -> None:
    logged = [replace(GOOD, logs="first"), replace(GOOD, logs="second")]
    _, given = await _analysed(Opinion(None), 0.0, *logged)
    for text in ("[training 1]\nloss 3", "[training 2]\nloss 2", "[benchmark 3]\nfirst", "[benchmark 4]\nsecond"):
        assert text in given.logs
    assert given.best_parent is not None
    assert given.best_parent.id == "c-0003"
    assert "Against the best of those it was made beside (c-0003): fitness -4" in rule_analysis(given).report


async def test_points_are_kept_and_count_only_with_a_weight() -> None:
    unweighted, _ = await _analysed(Opinion(10.0), 0.0, GOOD)
    assert unweighted.outcome == Score(-1.0)
    assert unweighted.features["judge_innovation"] == 10.0
    assert unweighted.report.endswith("Judge (model m, points from 1 to 10): innovation 10. Bold.")
    weighted, given = await _analysed(Opinion(10.0), 0.5, GOOD)
    assert weighted.outcome == given.outcome == Score(-0.5)


async def test_a_judge_that_fails_leaves_the_score_alone() -> None:
    done, _ = await _analysed(Opinion(None), 0.5, GOOD)
    assert done.outcome == Score(-1.0)
    assert not any(name.startswith("judge") for name in done.features)
    assert "Judge" not in done.report
