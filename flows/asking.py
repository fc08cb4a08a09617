"""Asks a person and waits: the flow run is paused with a form in the Prefect UI, and the stored decision is watched.

Whichever answers first counts: the form (Resume in the UI), or `nightshift approve`, `accept`, `veto`
(flows/approval_cli.py). The form's answer is stored like theirs before anything follows from it. A pause blocks in this
process, so a round keeps its claim; Ctrl-C ends the wait at once. Nothing here knows how a campaign or a round goes on.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid4

from prefect import get_client, runtime
from prefect.flow_runs import apause_flow_run
from prefect.input import RunInput
from prefect.states import Running

from cognition import tree
from cognition.records import Failure
from flows import approval, forecast, progress
from flows.approval import Decision
from flows.config import Settings
from flows.report.escape import markdown_block, markdown_text
from flows.units import hours
from tasks.artefacts import UriWorkspace
from tasks.engine import Engine, Round
from tasks.propose import Proposed
from tasks.publication import unified_diff

POLL_S = 1
#: Prefect fails a flow run whose pause has expired, so its time-out comes after ours.
SLACK_S = 3600
PROGRAM_LINES = 60


class Undecided(Exception):
    """Ctrl-C ended the wait: nobody's fault, and the question stays open."""


class RungForm(RunInput):
    """What the UI asks before a rung."""

    approved: bool
    note: str = ""

    def said(self) -> Decision:
        """As it is stored."""
        return Decision("accept" if self.approved else "veto", self.note)


class ProposalForm(RunInput):
    """What the UI asks about a proposal; the motivation is the proposal's, to be edited in place."""

    decision: Literal["accept", "edit", "veto"]
    motivation: str = ""
    note: str = ""

    def said(self) -> Decision:
        """As it is stored."""
        return Decision(self.decision, self.note, self.motivation if self.decision == "edit" else "")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: its form, and how the terminal says that it waits."""

    key: str
    form: type[RungForm] | type[ProposalForm]
    sentence: str


async def unapproved(engine: Engine, settings: Settings, *, again: bool = False) -> str | None:
    """Ask before a rung that needs it. None: go on; else the sentence to end with. Raises Undecided.

    A campaign whose rounds are done spends nothing more and is not asked about; `again`: it will, on further seeds.
    """
    rung = settings.evaluate.rung
    if rung not in settings.approval.rungs or (_is_done(engine, settings) and not again):
        return None
    desk = approval.campaign_desk(engine.artefact_root, settings.name)
    decision = await _answer(desk, _rung_question(engine, settings), settings.approval.wait_h)
    if decision is not None and decision.verdict == "accept":
        return None
    why = f"nobody approved it within {hours(settings.approval.wait_h)}"
    if decision is not None:
        why = f"it was refused: {decision.note or 'without a note'}"
    name = settings.name
    return f"rung {rung} needs a yes and {why}; `nightshift approve {name}`, then `nightshift resume {name}`"


async def decided(engine: Engine, settings: Settings, round: Round, proposed: Proposed) -> Proposed | Failure:
    """The proposal as a person left it, or its veto; as it is without an answer in time. Raises Undecided."""
    if settings.approval.motivations == "off" or round.is_baseline:
        return proposed
    desk = approval.round_desk(engine.artefact_root, round.id)
    parent = engine.archive.candidate(round.parent).code if round.parent else engine.brief.seed_program
    question = _proposal_question(settings, round, proposed, parent)
    decision = await _answer(desk, question, settings.approval.wait_h)
    if decision is None:
        decision = Decision("accept", f"nobody answered within {hours(settings.approval.wait_h)}")
        approval.decide(desk, question.key, decision)
    return apply(proposed, decision)


def apply(proposed: Proposed, decision: Decision) -> Proposed | Failure:
    """What follows from a decision. An edit without a text changes nothing."""
    if decision.verdict == "veto":
        return decision.as_failure(proposed.motivation)
    if decision.verdict == "edit" and decision.motivation.strip():
        return dataclasses.replace(proposed, motivation=decision.motivation)
    return proposed


def _is_done(engine: Engine, settings: Settings) -> bool:
    return set(range(settings.rounds + 1)) <= engine.archive.recorded_rounds(settings.name)


def _rung_question(engine: Engine, settings: Settings) -> Question:
    past = forecast.past_of(engine.archive, settings)
    expected = forecast.sentence(settings, forecast.forecast(settings, engine.domain, past), past)
    rung = settings.evaluate.rung
    text = f"May campaign **{settings.name}** spend on rung **{markdown_text(rung)}**?\n\n{markdown_text(expected)}"
    return Question(
        approval.key_of(rung),
        RungForm.with_initial_data(description=text),
        f"rung {rung} waits for a yes: Resume in the Prefect UI, or `nightshift approve {settings.name}`",
    )


def to_read(code: str, parent: str, parent_name: str, name: str) -> tuple[str, str]:
    """What a person reads of a proposal, and its language: the program, or the changed files of several."""
    return (unified_diff(parent, code, parent_name, name), "diff") if tree.is_tree(code) else (code, "python")


def _proposal_question(settings: Settings, round: Round, proposed: Proposed, parent: str) -> Question:
    text, language = to_read(proposed.code, parent, round.parent or "seed", round.id)
    lines = text.splitlines()
    program = markdown_block("\n".join(lines[:PROGRAM_LINES]), language)
    more = f"\n\n{len(lines) - PROGRAM_LINES} more lines" if len(lines) > PROGRAM_LINES else ""
    text = f"**{round.id}** proposes:\n\n{markdown_text(proposed.motivation)}\n\n{program}{more}"
    return Question(
        approval.key_of(proposed),
        ProposalForm.with_initial_data(description=text, motivation=proposed.motivation),
        f"{round.id} waits for a person: Resume in the Prefect UI, or `nightshift accept {round.id}` (or `veto`)",
    )


async def _answer(desk: UriWorkspace, question: Question, wait_h: float) -> Decision | None:
    """The stored decision, or the one that comes within the time; None if none does. Raises Undecided."""
    known = await asyncio.to_thread(approval.decision_of, desk, question.key)
    if known is not None:
        return known
    approval.ask(desk, question.key)
    progress.watcher.asked(question.sentence)
    pausing = asyncio.create_task(_paused(desk, question, int(wait_h * 3600) + SLACK_S))
    try:
        return await _first(pausing, desk, question.key, time.monotonic() + wait_h * 3600)
    finally:
        await _end(pausing)


async def _paused(desk: UriWorkspace, question: Question, timeout_s: int) -> Decision:
    """Pause the flow run until its form is sent, and store what it says."""
    # A pause of the same key does not happen twice, and one that a killed process left behind has nobody to answer to.
    key = f"{question.key}-{uuid4().hex[:8]}"
    form = await apause_flow_run(wait_for_input=question.form, timeout=timeout_s, poll_interval=POLL_S, key=key)
    return approval.decide(desk, question.key, form.said())


async def _first(pausing: asyncio.Task[Decision], desk: UriWorkspace, key: str, deadline: float) -> Decision | None:
    while time.monotonic() < deadline:
        if progress.stop_requested.is_set():
            raise Undecided("stopped while it waited for a person")
        await asyncio.wait({pausing}, timeout=POLL_S)
        if pausing.done():
            return pausing.result()
        known = await asyncio.to_thread(approval.decision_of, desk, key)
        if known is not None:
            return known
    return None


async def _end(pausing: asyncio.Task[Decision]) -> None:
    """If the form was not what ended the wait, the flow run is resumed by us."""
    if pausing.done():
        return
    pausing.cancel()
    await asyncio.wait({pausing})
    async with get_client() as client:
        await client.set_flow_run_state(UUID(str(runtime.flow_run.id)), Running(), force=True)
