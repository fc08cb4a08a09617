"""A campaign: the baseline, then evolution rounds, `workers` at a time, until they are done or a limit says stop.

Resuming needs nothing but the same settings: the archive is asked once which rounds are recorded, and those are
skipped. A round that fails by our machine's fault is left behind (a later resume runs it again) and the campaign goes
on; when such faults come one after another it stops, says why, and the command exits with a code other than 0.
Several processes may run the same campaign; flows/turns.py shares its rounds out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import httpx
from prefect import flow, get_client
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import PrefectException

from cognition.archive import Archive, RoundBusy
from cognition.records import Candidate, Failure, MachineFault, round_id
from flows import prefect_rounds, progress, summary, turns
from flows.claim import release_dead_claims
from flows.config import ConfigError, Settings
from flows.engines import engine_for
from tasks.codec import encode
from tasks.engine import Engine
from tasks.llm import BudgetExhausted

logger = logging.getLogger(__name__)

Ending = Literal["finished", "interrupted", "budget", "wall_time", "machine_failures", "baseline_failed"]


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a campaign is over, in one word and in one sentence."""

    ending: Ending
    sentence: str

    @property
    def is_failure(self) -> bool:
        """True if somebody has to look at it."""
        return self.ending in ("machine_failures", "baseline_failed")


@flow(name="campaign", flow_run_name="{settings[name]}", persist_result=False, validate_parameters=False)
async def campaign(settings: dict[str, Any]) -> dict[str, Any]:
    """Run a campaign, or what is left of it."""
    checked = Settings.model_validate(settings)
    engine = engine_for(checked)
    stored = checked.model_dump(mode="json")
    refuse_other_measure(engine.archive, checked)
    engine.archive.create_campaign(checked.name, checked.problem, checked.seed, stored, engine.domain.contract_version)
    release_dead_claims(engine.archive, checked.name)
    await asyncio.to_thread(turns.prepare, engine)
    deployment = await prefect_rounds.register()
    async with get_client() as client:
        ended = await _Run(engine, checked, client, deployment).to_the_end()
    try:
        summary.publish(engine, ended.sentence, failed=ended.is_failure)
    except MachineFault as fault:  # a full disk, say: the campaign's own ending is what has to be told
        logger.warning("the campaign's figures could not be stored: %s", fault)
    return encode(ended)


def refuse_other_measure(archive: Archive, settings: Settings) -> None:
    """Scores made under other options are not comparable: refuse to go on with them. Raises ConfigError."""
    if settings.name not in [campaign.name for campaign in archive.campaigns()]:
        return
    before = archive.campaign(settings.name).settings
    now = settings.model_dump(mode="json")
    for section in ("options", "evaluate"):
        if before[section] != now[section]:
            raise ConfigError(
                f"campaign {settings.name} was measured with {section} {before[section]}, now they are {now[section]}: "
                "scores would not be comparable. Choose another name with --name"
            )


class _Run:
    """The state of one campaign run: what to do next, and when to stop."""

    def __init__(self, engine: Engine, settings: Settings, client: PrefectClient, deployment: UUID) -> None:
        self.engine = engine
        self.settings = settings
        self.client = client
        self.deployment = deployment
        self.turns = turns.Turns(engine.archive, settings)
        self.started = time.monotonic()
        self.machine_failures_in_a_row = 0
        self.last_reason = ""
        self.ended: Ended | None = None

    async def to_the_end(self) -> Ended:
        done = self.engine.archive.recorded_rounds(self.settings.name)
        best = self.engine.archive.best(self.settings.name)
        progress.watcher.campaign_started(
            self.settings.name, len(done - {0}), self.settings.rounds, best.fitness if best else None
        )
        if await self.turns.wants_baseline(self.is_stopped):
            await self.one_round(0)
        if self.ended is None and (failed := self.baseline_failure()):
            self.ended = Ended("baseline_failed", failed)
        await asyncio.gather(*(self.worker() for _ in range(self.settings.workers)))
        return self.ended or self.how_it_finished()

    async def worker(self) -> None:
        while (index := await self.turns.next(self.is_stopped)) is not None:
            await self.one_round(index)

    def is_stopped(self) -> bool:
        self.ended = self.ended or self.reason_to_stop()
        return self.ended is not None

    async def one_round(self, index: int) -> None:
        progress.watcher.round_started(index)
        started = time.monotonic()
        error = await self.error_of(index)
        self.note(index, error, time.monotonic() - started)

    async def error_of(self, index: int) -> BaseException | None:
        """Run one round; None if it completed, else what went wrong on our side."""
        try:
            state = await prefect_rounds.run_round(self.client, self.deployment, self.settings, index)
        except (httpx.HTTPError, PrefectException) as away:  # the Prefect server is: this round's misfortune
            self.turns.give_up(index, str(away) or type(away).__name__)
            return away
        if state.is_completed():
            return None
        error = await state.aresult(raise_on_failure=False)
        return error if isinstance(error, BaseException) else RuntimeError(f"the round ended as {state.name}")

    def note(self, index: int, error: BaseException | None, wall_s: float) -> None:
        identity = round_id(self.settings.name, index)
        if error is None:
            self.machine_failures_in_a_row = 0
            outcome = self.engine.archive.outcome(identity)
            summary.publish_round(self.engine, index)
            progress.watcher.round_ended(progress.RoundEnded(index, identity, outcome, "", wall_s))
            return
        self.last_reason = str(error) or type(error).__name__
        if isinstance(error, RoundBusy):  # another process is at it: neither a failure nor an outcome of ours
            logger.warning("%s", error)
            return
        if isinstance(error, BudgetExhausted):
            self.ended = Ended("budget", f"the budget is used up: {error}")
        self.machine_failures_in_a_row += 1
        progress.watcher.round_ended(progress.RoundEnded(index, identity, None, self.last_reason, wall_s))

    def reason_to_stop(self) -> Ended | None:
        limits = self.settings.limits
        if self.ended is not None:
            return self.ended
        if progress.stop_requested.is_set():
            return Ended("interrupted", "stopped on request")
        if limits.max_wall_h is not None and time.monotonic() - self.started > limits.max_wall_h * 3600:
            return Ended("wall_time", f"the time limit of {limits.max_wall_h:g} h is reached")
        if self.machine_failures_in_a_row >= limits.machine_failures:
            count = self.machine_failures_in_a_row
            return Ended(
                "machine_failures", f"{count} rounds in a row failed by no fault of theirs: {self.last_reason}"
            )
        return None

    def baseline_failure(self) -> str | None:
        baseline = self.engine.archive.outcome(round_id(self.settings.name, 0))
        if baseline is None:
            return f"the baseline could not be measured: {self.last_reason}"
        if isinstance(baseline, Failure):
            return f"the seed program fails its own evaluation ({baseline.kind}): {baseline.reason}"
        return None

    def how_it_finished(self) -> Ended:
        best: Candidate | None = self.engine.archive.best(self.settings.name)
        recorded = len(self.engine.archive.recorded_rounds(self.settings.name) - {0})
        missing = self.settings.rounds - recorded
        if missing > 0:
            reason = self.last_reason or "in another process, see `nightshift status`"
            return Ended("machine_failures", f"{missing} of {self.settings.rounds} rounds failed: {reason}")
        found = f"best {best.fitness:.10g} ({best.id})" if best and best.fitness is not None else "nothing scored"
        return Ended("finished", f"{recorded} rounds recorded, {found}")
