"""One evolution round: learn (retrieve), design (propose, check), experiment (train, benchmark), analyze, record.

Every round is a flow run of the deployment `evolution-round`; a failed one can be marked for retry in the Prefect UI.
Read this file from top to bottom to follow a round; each step's work is the function of the same name in tasks/.
"""

from __future__ import annotations

import asyncio
from typing import Any

from prefect import flow, runtime

from cognition.archive import code_hash
from cognition.records import Failure, Measurements
from flows import asking, steps, versions
from flows.claim import claim
from flows.config import Settings
from flows.engines import engine_for
from flows.steps import Work, as_is
from tasks import analyze as analysis
from tasks import evaluate, publish
from tasks.analyze import Analysed
from tasks.check import Checked
from tasks.codec import decode
from tasks.contract import Trained
from tasks.engine import Engine, Round
from tasks.propose import Proposed
from tasks.record import Recorded
from tasks.retrieve import Retrieved


@flow(name="evolution-round", persist_result=False, validate_parameters=False)
async def evolution_round(settings: dict[str, Any], index: int) -> dict[str, Any]:
    """Run one round of a campaign, or what is left of it, and return how it ended."""
    versions.refuse_other(runtime.deployment.version, runtime.deployment.name)
    checked_settings = Settings.model_validate(settings)
    engine = engine_for(checked_settings)
    with claim(engine, checked_settings, index) as round:
        try:
            recorded = await run_steps(engine, checked_settings, round)
        except asking.Undecided:
            engine.archive.release_round(round.id, round.token)
            raise
        except Exception as error:
            # The edge of a round: whatever went wrong on our side is noted where reports read it, then re-raised.
            reason = f"{type(error).__name__}: {error}"
            step = steps.step_of(error)
            engine.archive.fail_round(round.id, round.token, reason, step)
            publish.machine_failed(engine, round, step or "round", reason)
            raise
    return {"round_id": recorded.round_id, "fitness": recorded.fitness}


async def run_steps(engine: Engine, settings: Settings, round: Round) -> Recorded:
    """The seven steps in order. A typed failure of the candidate skips ahead to analyze."""

    def key(step: str, *upstream: object) -> str:
        return steps.key_of(step, engine, settings, round, *upstream)

    work = as_is(Work(settings, round))
    retrieved = decode(await steps.retrieve(key("retrieve"), work), Retrieved)
    publish.opened(engine, round, retrieved)

    proposed = decode(await steps.propose(key("propose", retrieved), work, as_is(retrieved)), Proposed, Failure)
    if isinstance(proposed, Proposed):
        proposed = await asking.decided(engine, settings, round, proposed)
    if isinstance(proposed, Failure):
        return decode(await steps.record(work, as_is(proposed), "", None, (), as_is(retrieved)), Recorded)
    publish.proposed(engine, round, proposed, code_hash(proposed.code))

    checked = decode(await steps.check(key("check", proposed), work, as_is(proposed)), Checked, Failure)
    code, results, train_logs = proposed.code, list[Measurements | Failure](), tuple[str, ...]()
    failed_step = "check"
    if isinstance(checked, Failure):
        results.append(checked)
    else:
        publish.checked(engine, round, checked)
        code, results, train_logs, failed_step = await experiment(engine, settings, round, checked)

    analyze_key = key("analyze", proposed, code, *results, retrieved, *train_logs)
    given = (as_is(proposed), code, as_is(results), as_is(retrieved), as_is(train_logs))
    analysed = decode(await steps.analyze(analyze_key, work, *given), Analysed)
    publish.analysed(engine, round, analysed)
    stored = analysis.evaluations(engine, results)
    failed_step = (failed_step or "analyze") if isinstance(analysed.outcome, Failure) else ""
    recorded = await steps.record(
        work, as_is(proposed), code, as_is(analysed), as_is(stored), as_is(retrieved), failed_step
    )
    return decode(recorded, Recorded)


async def experiment(
    engine: Engine, settings: Settings, round: Round, checked: Checked
) -> tuple[str, list[Measurements | Failure], tuple[str, ...], str]:
    """Train and benchmark on every seed; a crash goes back to the debugger while it has tries left.

    Returns the program, what every seed came to, what training printed, and the step in which one failed ("" if none).
    """
    while True:
        results = await asyncio.gather(
            *(evaluate_seed(engine, settings, round, checked, seed) for seed in engine.evaluation_seeds())
        )
        publish.trained(engine, round, [trained for trained, _ in results])
        failed = any(isinstance(measured, Failure) for _, measured in results)
        judge_log = await asyncio.to_thread(evaluate.judge_log, engine, round, checked) if failed else ""
        publish.benchmarked(engine, round, [measured for _, measured in results], judge_log)
        failure = next((trained for trained, _ in results if isinstance(trained, Failure)), None)
        repaired = None if failure is None else await mended(engine, settings, round, checked, failure)
        if repaired is None:
            logs = tuple(trained.logs for trained, _ in results if isinstance(trained, Trained) and trained.logs)
            measured = [measured for _, measured in results]
            return checked.code, measured, logs, where_failed(failure, measured)
        checked = repaired


def where_failed(in_training: Failure | None, measured: list[Measurements | Failure]) -> str:
    """The step that the candidate's failure showed in, "" if it did not fail."""
    if in_training is not None:
        return "train"
    return "benchmark" if any(isinstance(result, Failure) for result in measured) else ""


async def evaluate_seed(
    engine: Engine, settings: Settings, round: Round, checked: Checked, seed: int
) -> tuple[Trained | Failure, Measurements | Failure]:
    """One replicate."""
    work = as_is(Work(settings, round))
    key = steps.key_of("train", engine, settings, round, checked, seed)
    trained = decode(await steps.train(key, work, as_is(checked), seed), Trained, Failure)
    if isinstance(trained, Failure):
        return trained, trained
    key = steps.key_of("benchmark", engine, settings, round, checked, trained, seed)
    measured = await steps.benchmark(key, work, as_is(checked), as_is(trained), seed)
    return trained, decode(measured, Measurements, Failure)


async def mended(
    engine: Engine, settings: Settings, round: Round, checked: Checked, failure: Failure
) -> Checked | None:
    """Another program from the debugger, or None if it is off, out of tries, or without an idea."""
    if settings.check.debugger == "off":
        return None
    work = as_is(Work(settings, round))
    key = steps.key_of("check", engine, settings, round, checked, failure)
    result = decode(await steps.repair(key, work, as_is(checked), as_is(failure)), Checked, Failure)
    return result if isinstance(result, Checked) else None
