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
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import httpx
from prefect import flow, get_client, runtime
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import PrefectException

from cognition.archive import Archive, RoundBusy
from cognition.records import Candidate, Failure, round_id
from flows import (
    asking,
    budgets,
    gpu_slots,
    measure,
    notifications,
    prefect_rounds,
    progress,
    stores,
    summary,
    turns,
    versions,
)
from flows.alarm import Alarm
from flows.alert_budgets import budgets_of
from flows.alerts import Budget
from flows.auditing import first_run
from flows.claim import release_dead_claims
from flows.config import ConfigError, Settings
from flows.engines import budget_of, engine_for
from flows.home import open_home
from flows.meter import Meter
from flows.report import deliver
from tasks.asking_models import about
from tasks.codec import encode
from tasks.engine import Engine
from tasks.llm import BudgetExhausted

logger = logging.getLogger(__name__)

Ending = Literal[
    "finished",
    "enough",
    "interrupted",
    "budget",
    "wall_time",
    "machine_failures",
    "baseline_failed",
    "gameable",
    "unapproved",
]

#: Why no further round is wanted; None: go on.
Enough = Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a campaign is over, in one word and in one sentence."""

    ending: Ending
    sentence: str

    @property
    def is_failure(self) -> bool:
        """True if somebody has to look at it."""
        return self.ending in ("machine_failures", "baseline_failed", "gameable")


class CampaignFailed(Exception):
    """The campaign ended and somebody has to look at it; its flow run is Failed, so that it can be retried."""

    def __init__(self, ended: Ended) -> None:
        """The ending, with its sentence as the message."""
        super().__init__(ended.sentence)
        self.ended = ended


#: Told how the rounds ended; returns how the run does.
Closing = Callable[[Engine, Ended], Awaitable[Ended]]


@flow(name="campaign", flow_run_name="{settings.name}", persist_result=False)
async def campaign(settings: Settings) -> dict[str, Any]:
    """Run a campaign, or what is left of it. Raises CampaignFailed."""
    versions.refuse_other(runtime.deployment.version, runtime.deployment.name)
    ended = await conduct(settings)
    if ended.is_failure:
        raise CampaignFailed(ended)
    return encode(ended)


async def conduct(checked: Settings, enough: Enough | None = None, closing: Closing | None = None) -> Ended:
    """What the flows `campaign`, `nightly` and `study` do.

    `enough` is asked before each round, and a sentence ends the rounds; `closing` happens after the last round and
    before the report.
    """
    stores.refuse_other(open_home())
    engine = engine_for(checked)
    stored = checked.model_dump(mode="json")
    refuse_other_measure(engine.archive, checked)
    measure.refuse_changed(engine.archive, checked, engine.domain)
    budgets.refuse(checked, engine.domain)
    await gpu_slots.ensure(engine)
    engine.archive.create_campaign(checked.name, checked.problem, checked.seed, stored, engine.domain.contract_version)
    measure.note(engine.archive, checked, engine.domain)
    release_dead_claims(engine.archive, checked.name)
    if (waiting := await unapproved(engine, checked)) is not None:
        return waiting
    with about(round_id(checked.name, 0)):
        await asyncio.to_thread(turns.prepare, engine)
    if (gameable := await asyncio.to_thread(first_run.refusal, engine, checked)) is not None:
        return Ended("gameable", gameable)
    async with get_client() as client:
        await notifications.ensure(client, checked.alerts.notification_block)
        deployment = await prefect_rounds.register(client)
        run = _Run(engine, checked, client, deployment, await earlier_tries_s(client), enough)
        ended = await run.to_the_end()
    if closing is not None:
        ended = await closing(engine, ended)
    report = summary.report_of(engine, checked.alerts, ended.sentence, run.budgets())
    summary.publish(engine, ended.sentence, report, failed=ended.is_failure)
    if report is not None:
        await deliver.to_prefect(report)
    return ended


async def earlier_tries_s(client: PrefectClient) -> float:
    """How long this very flow run was at work before this try: a night that is taken up again keeps its time limit."""
    if runtime.flow_run.id is None:
        return 0.0
    this = await client.read_flow_run(UUID(runtime.flow_run.id))
    return this.total_run_time.total_seconds()  # without the running state of this try


async def unapproved(engine: Engine, settings: Settings) -> Ended | None:
    """How the campaign ends if its rung needs a person's yes and has none."""
    try:
        sentence = await asking.unapproved(engine, settings)
    except asking.Undecided as stopped:
        return Ended("interrupted", str(stopped))
    return None if sentence is None else Ended("unapproved", sentence)


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

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        client: PrefectClient,
        deployment: UUID,
        earlier_s: float,
        enough: Enough | None,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.client = client
        self.deployment = deployment
        self.enough = enough
        self.meter = Meter(engine, settings, budget_of(settings), earlier_s)
        self.turns = turns.Turns(engine.archive, settings)
        self.machine_failures_in_a_row = 0
        self.last_reason = ""
        self.alarm = Alarm(engine.archive, settings)
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
        self.meter.count_wall()
        return self.ended or self.how_it_finished()

    async def worker(self) -> None:
        while (index := await self.turns.next(self.is_stopped)) is not None:
            await self.one_round(index)

    async def is_stopped(self) -> bool:
        self.ended = self.ended or await self.reason_to_stop()
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
        self.meter.count_wall()
        if error is None:
            self.machine_failures_in_a_row = 0
            outcome = self.engine.archive.outcome(identity)
            summary.publish_round(self.engine, index)
            progress.watcher.round_ended(progress.RoundEnded(index, identity, outcome, "", wall_s))
            self.alarm.round_ended(index, outcome, self.budgets())
            return
        self.last_reason = str(error) or type(error).__name__
        if isinstance(error, RoundBusy):  # another process is at it: neither a failure nor an outcome of ours
            logger.warning("%s", error)
            return
        if isinstance(error, asking.Undecided):  # stopped while it waited for a person: it is asked again
            return
        if isinstance(error, BudgetExhausted):  # nobody's fault: the round waits until there is more
            self.ended = self.ended or Ended("budget", self.meter.exhausted(error))
            return
        self.machine_failures_in_a_row += 1
        progress.watcher.round_ended(progress.RoundEnded(index, identity, None, self.last_reason, wall_s))
        self.alarm.round_ended(index, None, self.budgets())

    def budgets(self) -> tuple[Budget, ...]:
        spend = self.engine.archive.spend(self.settings.name)
        return budgets_of(self.settings.limits, spend, self.meter.run_h)

    async def reason_to_stop(self) -> Ended | None:
        limits = self.settings.limits
        if self.ended is not None:
            return self.ended
        if progress.stop_requested.is_set():
            return Ended("interrupted", "stopped on request")
        if self.enough is not None and (sentence := self.enough()):
            return Ended("enough", sentence)
        if late := self.meter.time_stop():
            return Ended("wall_time", late)
        if poor := await self.meter.money_stop():
            return Ended("budget", poor)
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
