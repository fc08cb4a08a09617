"""Promotion: the best candidates of a campaign against its baseline, on fresh seeds, until each has a verdict.

`nightshift promote CAMPAIGN`. Finalists run through the same train and benchmark steps as in their round (the same
retries, stored results, GPU slots and budgets), at the same rung or another. What is measured is kept in the archive
under the candidate; a promotion that is run again, today or in another night, goes on where the last one stopped, and
its looks and finalists are counted with the earlier ones. It changes no score and shows no measurement to later
rounds. One thing does follow from a verdict: who was demoted is no longer one of the best (cognition/demotions.py).
"""

from __future__ import annotations

import asyncio
from typing import Any

from prefect import flow, runtime

from cognition.records import Candidate, Failure, MachineFault, Measurements
from flows import asking, gpu_slots, held_out, measure, retest, versions
from flows.config import ConfigError, Settings
from flows.engines import engine_for
from flows.evolution_round import evaluate_seed
from flows.finalists import (
    Finalist,
    NoBaseline,
    Plan,
    as_evaluation,
    at_rung,
    baseline_of,
    chosen,
    fresh_seeds,
    gains_on_parts,
    numbers,
    round_of,
    row,
    score_of,
    standing,
    stored,
    tests,
)
from tasks import publish
from tasks.check import Checked
from tasks.engine import Engine
from tasks.trust import Verdict, wanted


class PromotionBusy(MachineFault):
    """Another process promotes in this campaign."""

    may_pass = False


@flow(name="promotion", flow_run_name="promotion-{settings.name}", persist_result=False)
async def promotion(settings: Settings, plan: Plan = Plan()) -> dict[str, Any]:  # noqa: B008  # frozen
    """Test the finalists; the report."""
    versions.refuse_other(runtime.deployment.version, runtime.deployment.name)
    here = at_rung(settings, plan)
    engine = engine_for(here)
    await gpu_slots.ensure(engine)
    if (refused := await asking.unapproved(engine, here, again=True)) is not None:
        raise ConfigError(refused)
    with engine.archive.database.alone(f"promotion-{settings.name}") as held:
        if not held:
            raise PromotionBusy(f"another process promotes in {settings.name}: wait for it")
        return await _Race(engine, here, plan).to_the_end()


class _Race:
    """The state of one promotion."""

    def __init__(self, engine: Engine, settings: Settings, plan: Plan) -> None:
        """Reads what was measured before."""
        self.engine = engine
        self.settings = settings
        self.plan = plan
        self.is_exact = bool(getattr(engine.domain, "deterministic", False))
        self.rules = plan.rules(self.is_exact)
        self.slots = asyncio.Semaphore(settings.workers)
        self.baseline = baseline_of(engine)
        self.measured = stored(engine, self.baseline.id)  # the baseline, by fresh seed
        self.finalists = self.known()
        self.finalists += self.new()

    @property
    def base(self) -> dict[int, float]:
        """The baseline's score at every fresh seed. Raises NoBaseline."""
        found: dict[int, float] = {}
        for seed, measured in self.measured.items():
            score = score_of(self.engine, measured, measured)
            if isinstance(score, Failure):
                raise NoBaseline(f"the baseline has no score on fresh seed {seed}: {score.reason}")
            found[seed] = score
        return found

    def known(self) -> list[Finalist]:
        """Those that were tested at this rung before."""
        found = []
        for name, number in numbers(self.engine).items():
            finalist = Finalist(self.engine.archive.candidate(name), number)
            for seed, measured in stored(self.engine, name).items():
                self.take(finalist, seed, measured)
            found.append(finalist)
        return found

    def new(self) -> list[Finalist]:
        """The best that were not tested yet, best first, numbered on."""
        tested = {f.candidate.id: f for f in self.finalists}
        settled = {name: self.verdict(f) for name, f in tested.items()}
        ranked = self.engine.archive.top(self.settings.name, self.plan.finalists + len(tested) + 1)
        picked = chosen(ranked, settled, self.baseline.fitness or 0.0, self.plan.finalists)
        fresh = [candidate for candidate in picked if candidate.id not in tested]
        start = len(tests(self.engine)) + 1
        return [Finalist(candidate, start + k) for k, candidate in enumerate(fresh)]

    async def to_the_end(self) -> dict[str, Any]:
        seeds = fresh_seeds(self.settings.seed, self.rules.cap)
        while more := self.wanted():
            await self.look({name: seeds[at : at + count] for name, (at, count) in more.items()})
        self.follow()
        promoted = [f.candidate for f in self.finalists if self.verdict(f) is Verdict.PROMOTED]
        return self.report() | {"held_out": await held_out.touch(self.engine, self.settings, self.baseline, promoted)}

    def follow(self) -> None:
        """What the verdicts change, and what MLflow says of them. Done again, it changes nothing.

        Below a gate above zero a candidate may be "demoted" and better than the baseline: it stays among the best.
        """
        rung = self.engine.evaluate.rung
        for finalist in self.finalists:
            stands, name = standing(finalist, self.base, self.rules), finalist.candidate.id
            if stands is not None and stands.verdict is Verdict.DEMOTED and stands.gains.mean <= 0.0:
                self.engine.archive.demote(name, rung, stands.gains.mean, stands.gains.n)
            elif stands is not None:
                self.engine.archive.reinstate(name, rung)
            publish.retested(self.engine, finalist.candidate, retest.sentence_of(rung, stands, finalist.failure))

    def wanted(self) -> dict[str, tuple[int, int]]:
        """Who gets how many further replicates, and from which seed on."""
        racing = {f.candidate.id: f for f in self.finalists if f.failure is None}
        gains = {name: f.gains(self.base) for name, f in racing.items()}
        parts = {name: f.gains_on_parts() for name, f in racing.items()}
        more = wanted(gains, {name: f.number for name, f in racing.items()}, self.rules, parts)
        return {name: (len(gains[name]), count) for name, count in more.items()}

    async def look(self, asked: dict[str, tuple[int, ...]]) -> None:
        """Measure, and keep it all before anybody judges by it."""
        missing = sorted({seed for seeds in asked.values() for seed in seeds} - set(self.measured))
        jobs = [(self.baseline, seed) for seed in missing]
        racing = [f for f in self.finalists if f.candidate.id in asked]
        jobs += [(f.candidate, seed) for f in racing for seed in asked[f.candidate.id]]
        done = await asyncio.gather(*(self.measure(*job) for job in jobs), return_exceptions=True)
        results: dict[tuple[str, int], Measurements | Failure] = {}
        for (candidate, seed), result in zip(jobs, done, strict=True):
            if isinstance(result, BaseException):  # nothing is judged by half a look; finished steps stay stored
                raise result
            results[candidate.id, seed] = result
        self.keep_baseline({seed: results[self.baseline.id, seed] for seed in missing})
        for finalist in racing:  # in their order: it gives them their numbers
            self.keep(finalist, {seed: results[finalist.candidate.id, seed] for seed in asked[finalist.candidate.id]})

    async def measure(self, candidate: Candidate, seed: int) -> Measurements | Failure:
        async with self.slots:
            round = round_of(candidate)
            _, found = await evaluate_seed(self.engine, self.settings, round, Checked(candidate.code), seed)
        return found

    def keep_baseline(self, results: dict[int, Measurements | Failure]) -> None:
        for seed, result in results.items():
            if isinstance(result, Failure):
                raise NoBaseline(f"the baseline fails on fresh seed {seed} ({result.kind}): {result.reason}")
            self.measured[seed] = result
            self.engine.archive.confirm(self.baseline.id, [as_evaluation(self.engine, seed, result)])

    def keep(self, finalist: Finalist, results: dict[int, Measurements | Failure]) -> None:
        measured = {seed: result for seed, result in results.items() if isinstance(result, Measurements)}
        kept = [as_evaluation(self.engine, seed, result) for seed, result in measured.items()]
        self.engine.archive.confirm(finalist.candidate.id, kept)
        for seed, result in results.items():
            self.take(finalist, seed, result)

    def take(self, finalist: Finalist, seed: int, result: Measurements | Failure) -> None:
        """A candidate that fails on a fresh seed is out: it has no score there, and none is made up."""
        if isinstance(result, Measurements):
            if seed not in self.measured:
                return  # the baseline has nothing to set beside it
            score = score_of(self.engine, result, self.measured[seed])
            if not isinstance(score, Failure):
                finalist.scores[seed] = score
                for part, gain in gains_on_parts(self.engine, result, self.measured[seed]).items():
                    finalist.parts.setdefault(part, {})[seed] = gain
                return
            result = score
        finalist.failure = finalist.failure or result

    def verdict(self, finalist: Finalist) -> Verdict:
        stands = standing(finalist, self.base, self.rules)
        return Verdict.OPEN if stands is None else stands.verdict

    def report(self) -> dict[str, Any]:
        known = measure.known_of(self.engine.archive, self.settings.name)
        return {
            "campaign": self.settings.name,
            "metric": self.engine.brief.metric,
            "rung": self.engine.evaluate.rung,
            "baseline": self.baseline.id,
            "alpha": self.plan.alpha,
            "gate": self.plan.gate,
            "deterministic": self.is_exact,
            "changes": list(known.accepted) if known else [],
            "tried": len(self.engine.archive.recorded_rounds(self.settings.name) - {0}),
            "tests": len(tests(self.engine)),  # of the campaign, at all rungs, over all its promotions
            "baseline_replicates": len(self.measured),
            "finalists": [row(finalist, self.base, self.rules) for finalist in self.finalists],
        }
