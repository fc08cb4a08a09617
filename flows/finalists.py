"""What promotion knows of each finalist: scores on fresh seeds, gains over the baseline, standing, and the report.

Reads the archive and calls the domain's pure `score`; runs nothing. flows/promotion.py does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field, model_validator

from cognition.archive import Confirmed
from cognition.randomness import derive
from cognition.records import FRESH_FROM, Candidate, Evaluation, Failure, MachineFault, Measurements, Score, round_id
from flows import registry
from flows.config import ConfigError, Settings
from tasks.contract import Domain, Objective
from tasks.engine import STEPS, Engine, Round
from tasks.settings import Frozen
from tasks.trust import Rules, Standing, Verdict, judged_on_all, paired

SELF_REPORTED = "self_reported/"


class NoBaseline(MachineFault):
    """The baseline has no score to compare with, so nothing can be promoted."""

    may_pass = False


class NotDeterministic(MachineFault):
    """A problem that calls itself deterministic gave two scores to one program."""

    may_pass = False


class Plan(Frozen):
    """How finalists are chosen and tested (docs/trust.md)."""

    finalists: int = Field(5, ge=1, le=100, description="How many of the best candidates are tested")
    rung: str = Field("same", description="same, next, or the name of one of the problem's rungs")
    alpha: float = Field(0.05, gt=0, lt=1, description="The chance that the campaign ever promotes what is not better")
    gate: float = Field(0.0, description="The gain in fitness that has to be exceeded")
    first: int = Field(4, ge=2, description="Fresh seeds for every finalist")
    step: int = Field(2, ge=1, description="Further seeds at a time for those that are close")
    cap: int = Field(20, ge=2, le=1000, description="Most fresh seeds of one finalist")

    @model_validator(mode="after")
    def _makes_sense(self) -> Plan:
        self.rules()
        return self

    def rules(self, exact: bool = False) -> Rules:
        """The same for tasks/trust."""
        if exact:
            return Rules(alpha=self.alpha, gate=self.gate, first=2, step=1, cap=2, exact=True)
        return Rules(alpha=self.alpha, gate=self.gate, first=self.first, step=self.step, cap=self.cap)


def at_rung(settings: Settings, plan: Plan) -> Settings:
    """The campaign's settings at the rung of the promotion. Raises ConfigError."""
    domain = registry.load(settings.problem, settings.options)
    if domain.brief().metric.startswith(SELF_REPORTED):
        raise ConfigError(
            f"{settings.problem} reports its own scores, and a claim is not promoted: move the judging into `judge` "
            "(docs/problems.md)"
        )
    rung = _rung(domain, settings.evaluate.rung, plan.rung)
    if rung == held_out_rung(domain):
        raise ConfigError(f"{rung} is the held-out test of {domain.name}: promotion looks at it once, at the end")
    evaluate = settings.evaluate.model_copy(update={"rung": rung})
    return settings.model_copy(update={"evaluate": evaluate})


def _rung(domain: Domain, explored: str, asked: str) -> str:
    if asked == "same":
        return explored
    if asked == "next":
        above = domain.rungs[domain.rungs.index(explored) + 1 :]
        if not above:
            raise ConfigError(f"{explored} is the last rung of {domain.name}: use --rung same")
        return above[0]
    if asked not in domain.rungs:
        raise ConfigError(f"{domain.name} has the rungs {', '.join(domain.rungs)}, not {asked}")
    return asked


@dataclass(slots=True)
class Finalist:
    """One finalist in a race; mutable, since it gathers replicates."""

    candidate: Candidate
    number: int  # of all tests of the campaign, from 1: decides its share of alpha
    scores: dict[int, float] = field(default_factory=dict)  # by fresh seed
    parts: dict[str, dict[int, float]] = field(default_factory=dict)  # gains on what the domain wants one on, by seed
    failure: Failure | None = None

    def gains(self, baseline: Mapping[int, float]) -> list[float]:
        """Its gains in the order of the seeds."""
        found = paired(self.scores, baseline)
        return [found[seed] for seed in sorted(found)]

    def gains_on_parts(self) -> dict[str, list[float]]:
        """The same for each metric on which the domain wants a gain."""
        return {name: [by_seed[seed] for seed in sorted(by_seed)] for name, by_seed in self.parts.items()}


def fresh_seeds(seed: int, count: int) -> tuple[int, ...]:
    """The campaign's first fresh seeds, increasing: the same for all finalists, so that they share the baseline's runs.

    What is read from the archive comes by seed, and so in the order in which it was measured: replicates keep their
    order for ever, as the bound asks for.

    >>> fresh_seeds(0, 3)[:2] == fresh_seeds(0, 2), min(fresh_seeds(0, 3)) >= FRESH_FROM
    (True, True)
    """
    return tuple(FRESH_FROM + (k << 20) + derive(seed, "fresh", k).getrandbits(20) for k in range(count))


def score_of(engine: Engine, measured: Measurements, baseline: Measurements) -> float | Failure:
    """The fitness at one seed, with the baseline's measurements at the same seed."""
    found = engine.domain.score([measured], [baseline])
    return found.fitness if isinstance(found, Score) else found


def gains_on_parts(engine: Engine, measured: Measurements, baseline: Measurements) -> dict[str, float]:
    """The gain on each metric that the domain's attribute `gated` names: promotion wants one on all of them.

    Optional, and so no part of the contract every domain fulfils.
    """
    gated: tuple[Objective, ...] = getattr(engine.domain, "gated", ())
    return {
        each.metric: each.signed(measured.metrics[each.metric]) - each.signed(baseline.metrics[each.metric])
        for each in gated
    }


def stored(engine: Engine, candidate: str) -> dict[int, Measurements]:
    """What the archive has of a candidate on fresh seeds, at the engine's rung and contract version."""
    version = engine.domain.contract_version
    found = engine.archive.confirmations(candidate, engine.evaluate.rung)
    return {e.seed: e.measurements for e in found if e.contract_version == version}


def as_evaluation(engine: Engine, seed: int, measured: Measurements) -> Evaluation:
    """Ready for the archive."""
    return Evaluation(engine.evaluate.rung, seed, engine.domain.contract_version, measured)


def baseline_of(engine: Engine) -> Candidate:
    """The seed program as it was recorded. Raises NoBaseline."""
    identity = round_id(engine.campaign, 0)
    outcome = engine.archive.outcome(identity)
    if not isinstance(outcome, Score):
        reason = "is not recorded" if outcome is None else f"failed: {outcome.reason}"
        raise NoBaseline(f"the baseline of {engine.campaign} {reason}; nothing can be compared with it")
    current = next(r.candidate_id for r in engine.archive.rounds(engine.campaign) if r.index == 0)
    return engine.archive.candidate(current or identity)


def held_out_rung(domain: Domain) -> str | None:
    """The rung that only held_out.py may use. Optional, and so no part of the contract every domain fulfils."""
    named = getattr(domain, "held_out", None)
    return None if named is None else str(named)


def tests(engine: Engine) -> list[Confirmed]:
    """All tests of the campaign that could promote something, in their order: at all rungs but the held-out one."""
    held_out = held_out_rung(engine.domain)
    return [each for each in engine.archive.confirmed(engine.campaign) if each.rung != held_out]


def numbers(engine: Engine) -> dict[str, int]:
    """The number of each candidate's test at this rung among all tests of the campaign, those at other rungs too."""
    return {each.candidate: n for n, each in enumerate(tests(engine), 1) if each.rung == engine.evaluate.rung}


def round_of(candidate: Candidate) -> Round:
    """The candidate's round as the steps need it. Its token is none that could record anything."""
    revision = dict.fromkeys(STEPS, 1)
    return Round(candidate.campaign, candidate.round_index, 0, candidate.id, None, (), 0, "promotion", None, revision)


def standing(finalist: Finalist, baseline: Mapping[int, float], rules: Rules) -> Standing | None:
    """Where it stands; None if it failed or has no replicate yet. Raises NotDeterministic."""
    gains = finalist.gains(baseline)
    if not gains or finalist.failure is not None:
        return None
    if not rules.exact:
        return judged_on_all(gains, finalist.gains_on_parts(), finalist.number, rules)[0]
    for name, scores in (finalist.candidate.id, finalist.scores), ("the baseline", baseline):
        if len(set(scores.values())) > 1:
            raise NotDeterministic(
                f"the problem is said to be deterministic, but {name} scored {min(scores.values())!r} and "
                f"{max(scores.values())!r} on two seeds: remove `deterministic` from the problem"
            )
    return judged_on_all(gains, finalist.gains_on_parts(), finalist.number, rules)[0]


def row(finalist: Finalist, baseline: Mapping[int, float], rules: Rules) -> dict[str, Any]:
    """One line of the report. Bounds that are not there yet are None."""
    stands = standing(finalist, baseline, rules)
    found: dict[str, Any] = {
        "candidate": finalist.candidate.id,
        "number": finalist.number,
        "explored": finalist.candidate.fitness,
        "verdict": "failed" if stands is None else str(stands.verdict),
        "reason": finalist.failure.reason if finalist.failure else "",
    }
    if stands is None:
        return found
    return found | {
        "replicates": stands.gains.n,
        "gain": stands.gains.mean,
        "standard_error": stands.gains.standard_error,
        "lower": _finite(stands.bounds.lower),
        "upper": _finite(stands.bounds.upper),
        "level": stands.level,
        "spread": stands.has_spread,
        "held_back_by": list(
            judged_on_all(finalist.gains(baseline), finalist.gains_on_parts(), finalist.number, rules)[1]
        ),
    }


def chosen(
    ranked: Sequence[Candidate], settled: Mapping[str, Verdict], baseline: float, wanted: int
) -> list[Candidate]:
    """The best that claim to be better than the baseline and whose case is not settled yet."""
    claims = [c for c in ranked if c.round_index > 0 and c.fitness is not None and c.fitness > baseline]
    return [c for c in claims if settled.get(c.id, Verdict.OPEN) is Verdict.OPEN][:wanted]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
