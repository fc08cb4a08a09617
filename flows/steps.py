"""The seven steps as Prefect tasks: thin shells that load the engine, call one function of tasks/, store its result.

Every result is plain JSON (tasks/codec.py) under a key that the flow computes (`step_key`) from what the step depends
on: step, round id, revision, rung, seed, the content of the records it reads, the settings it reads, the problem's
options and contract version. A retry of the same round, under the same or another flow run, on this machine or another,
finds the results of finished steps and runs the others. `record` is never cached: the archive makes it idempotent.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

from prefect import task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import Task
from prefect.utilities.annotations import quote

from cognition.records import JSON, Evaluation, Failure, MachineFault, Measurements
from flows import gpu_slots, measure
from flows.config import Settings
from flows.engines import engine_for
from flows.results import set_aside_if_damaged
from tasks import analyze as analysis
from tasks import check as checking
from tasks import evaluate, gpu
from tasks import propose as proposing
from tasks import record as recording
from tasks import retrieve as retrieving
from tasks.analyze import Analysed
from tasks.check import Checked
from tasks.codec import encode, fingerprint
from tasks.contract import Trained
from tasks.engine import Engine, Round
from tasks.propose import Proposed
from tasks.retrieve import Retrieved

Stored = dict[str, JSON]
T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Work:
    """What every step is given: the campaign's settings and the round."""

    settings: Settings
    round: Round


def as_is(value: T) -> T:
    """Hand a value to a task without letting Prefect search it for futures, which costs more than the step itself."""
    return cast(T, quote(value))


def _given_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """The key was computed by the flow, where an error in it is loud."""
    return str(parameters["key"])


async def _is_worth_retrying(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Only our machine's faults are, and of those only the ones that pass by themselves."""
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, MachineFault) and error.may_pass


CACHED: dict[str, Any] = {
    "persist_result": True,
    "result_serializer": "json",
    "cache_key_fn": _given_key,
    "retries": 2,
    "retry_delay_seconds": [1, 5],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _is_worth_retrying,
}


_AT = "in the step "
#: What the problem's own code decides: a result of before its measure was replaced is not taken up.
_MEASURING = frozenset({"check", "train", "benchmark"})


def named(step: str) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Lets whatever a step raises say which step it was."""

    def decorated(run: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @functools.wraps(run)
        async def noting(*arguments: P.args, **named: P.kwargs) -> R:
            try:
                return await run(*arguments, **named)
            except Exception as error:
                error.add_note(f"{_AT}{step}")
                raise

        return noting

    return decorated


def step_of(error: BaseException) -> str:
    """The step that raised it, "" if none did."""
    notes = [note for note in getattr(error, "__notes__", ()) if note.startswith(_AT)]
    return str(notes[-1]).removeprefix(_AT) if notes else ""


def key_of(step: str, engine: Engine, settings: Settings, round: Round, *upstream: object) -> str:
    """The step's cache key, once it is sure that a result stored under it can be read."""
    changed = measure.revision_of(engine.archive, settings.name) if step in _MEASURING else 0
    key = step_key(step, engine, settings, round, *upstream, *([f"measure {changed}"] if changed else []))
    set_aside_if_damaged(key)
    return key


def step_key(step: str, engine: Engine, settings: Settings, round: Round, *upstream: object) -> str:
    """The cache key of a step of this round. Readable in front, exact behind."""
    reads = [part if isinstance(part, dict) else part.model_dump(mode="json") for part in _sections(step, settings)]
    content = fingerprint(
        step,
        round.id,
        round.revision[step],
        round.parent,
        list(round.references),
        engine.domain.contract_version,
        settings.problem,
        settings.options,
        settings.seed,
        reads,
        *upstream,
    )
    return f"{round.id}.{step}.{content[:32]}"


def _sections(step: str, settings: Settings) -> list[Any]:
    """The settings that a step reads, as models or plain dictionaries."""
    agents: dict[str, Any] = {role: model.model_dump(mode="json") for role, model in settings.models.items()}
    # Only where there is a choice: the keys of campaigns without one stay what they were.
    choice = [model.model_dump(mode="json") for model in settings.more_researchers]
    choosing = [{"researchers": choice, "exploration": settings.researcher.exploration}] if choice else []
    sections: dict[str, list[Any]] = {
        "retrieve": [settings.retrieve, *choosing],
        "propose": [
            settings.retrieve,
            settings.propose,
            settings.researcher,
            settings.recombine,
            {"novelty": settings.check.novelty, "reviewer": settings.check.reviewer},
            agents,
            *choosing,
        ],
        "check": [settings.check, agents],
        "train": [settings.evaluate, settings.sandbox],
        # A domain may ask the judge; without one the key is as it always was.
        "benchmark": [settings.evaluate, settings.sandbox, *([agents["judge"]] if "judge" in agents else [])],
        "analyze": [settings.evaluate, settings.analyze, agents],
    }
    return sections[step]


@task(name="retrieve", **CACHED)
@named("retrieve")
async def retrieve(key: str, work: Work) -> Stored:
    """Recall cognition items."""
    return encode(await retrieving.retrieve(engine_for(work.settings), work.round))


@task(name="propose", **CACHED)
@named("propose")
async def propose(key: str, work: Work, retrieved: Retrieved) -> Stored:
    """Get a program worth running."""
    return encode(await proposing.propose(engine_for(work.settings), work.round, retrieved))


@task(name="check", **CACHED)
@named("check")
async def check(key: str, work: Work, proposed: Proposed) -> Stored:
    """Refuse or repair a wrong program."""
    return encode(await checking.check(engine_for(work.settings), work.round, proposed))


@task(name="repair", **CACHED)
@named("check")
async def repair(key: str, work: Work, checked: Checked, failure: Failure) -> Stored:
    """Let the debugger mend a crash in training."""
    return encode(await checking.repair(engine_for(work.settings), work.round, checked, failure))


@task(name="train", **CACHED)
@named("train")
async def train(key: str, work: Work, checked: Checked, seed: int) -> Stored:
    """Run the candidate in the sandbox."""
    engine = engine_for(work.settings)
    async with gpu_slots.held(engine, "train"):
        with gpu.reserved(engine, work.round, "train", work.settings.limits.max_gpu_h) as use:
            result = await evaluate.train(engine, work.round, checked, seed)
            use.cost = result.cost if isinstance(result, Trained) else use.cost
    return encode(result)


@task(name="benchmark", **CACHED)
@named("benchmark")
async def benchmark(key: str, work: Work, checked: Checked, trained: Trained, seed: int) -> Stored:
    """Measure the result by trusted code."""
    engine = engine_for(work.settings)
    async with gpu_slots.held(engine, "benchmark"):
        with gpu.reserved(engine, work.round, "benchmark", work.settings.limits.max_gpu_h):
            return encode(await evaluate.benchmark(engine, work.round, checked, trained, seed))


@task(name="analyze", **CACHED)
@named("analyze")
async def analyze(
    key: str,
    work: Work,
    proposed: Proposed,
    code: str,
    results: list[Measurements | Failure],
    retrieved: Retrieved,
    train_logs: tuple[str, ...] = (),
) -> Stored:
    """Score, report, and learn."""
    engine = engine_for(work.settings)
    return encode(await analysis.analyze(engine, work.round, proposed, code, results, retrieved, train_logs))


@task(name="record", persist_result=False, retries=2, retry_delay_seconds=[1, 5])
@named("record")
async def record(
    work: Work,
    proposed: Proposed | Failure,
    code: str,
    analysed: Analysed | None,
    evaluations: tuple[Evaluation, ...],
    retrieved: Retrieved,
    failed_step: str = "",
) -> Stored:
    """Make the round part of the archive."""
    engine, round = engine_for(work.settings), work.round
    if isinstance(proposed, Failure):
        return encode(recording.record_refusal(engine, round, proposed, retrieved))
    assert analysed is not None
    return encode(recording.record(engine, round, proposed, code, analysed, evaluations, retrieved, failed_step))
