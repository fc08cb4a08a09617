"""The replay: the events of a cassette in their order, each round through the same flow as ever, one at a time.

A sample is drawn when it was drawn then, among what was recorded by then; the round itself runs when it was recorded
then. So rounds that were in flight together see of each other what they saw. Models and cognition base are the tape
(world.py). It stops at the first question that was not asked then: from there on there is nothing to compare.

Imports Prefect, so only once the process is in the replay's own surroundings (process.py).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cognition.records import round_id
from flows import gpu_slots, turns
from flows.claim import draw
from flows.config import Settings
from flows.engines import World, engine_in
from flows.evolution_round import evolution_round
from flows.home import Home
from flows.replaying.picture import picture_of
from flows.replaying.records import Cassette, Event, Played, Progress
from flows.replaying.world import RecordedItems, ReplayArchive, Tape
from tasks.engine import Engine
from tasks.llm import NoRecordedAnswer


async def play(cassette: Cassette, settings: Settings, home: Home, progress: Progress) -> Played:
    """Run it in a state folder of its own. Raises ConfigError, MachineFault."""
    replay = await _Replay.opened(cassette, settings, home)
    done, stopped = 0, ""
    for event in cassette.events:
        stopped = await replay.happen(event)
        if stopped:
            break
        if event.kind == "record":
            done += 1
            progress(done, len(cassette.recorded))
    return Played(picture_of(replay.archive, settings.name), done, stopped, replay.engine.sandbox.tier)


@dataclass(frozen=True, slots=True)
class _Replay:
    """A replay under way."""

    archive: ReplayArchive
    engine: Engine
    settings: Settings

    @classmethod
    async def opened(cls, cassette: Cassette, settings: Settings, home: Home) -> _Replay:
        archive = ReplayArchive.on(home.archive_url, Tape(cassette))
        engine = engine_in(settings, World(archive, RecordedItems(archive)))
        await gpu_slots.ensure(engine)
        stored = settings.model_dump(mode="json")
        version = engine.domain.contract_version
        archive.create_campaign(settings.name, settings.problem, settings.seed, stored, version)
        await asyncio.to_thread(turns.prepare, engine)
        return cls(archive, engine, settings)

    async def happen(self, event: Event) -> str:
        """Let one event happen; why it could not, or ""."""
        if event.kind == "draw" and event.round is not None:
            draw(self.engine, self.settings, event.round)
            most = self.engine.retrieve.not_run
            refused = self.archive.without_candidate_now(self.settings.name, most)
            self.archive.tape.not_run[event.round] = refused
        elif event.kind == "record" and event.round is not None:
            return await self.run(event.round)
        elif event.candidate is not None:
            return self.judge(event, event.candidate)
        return ""

    async def run(self, index: int) -> str:
        self.archive.tape.current = index
        parameters = self.settings.model_dump(mode="json")
        state = await evolution_round(parameters, index, return_state=True)
        if state.is_completed():
            return ""
        error = await state.aresult(raise_on_failure=False)
        return f"{round_id(self.settings.name, index)}: {self.explained(error)}"

    def judge(self, event: Event, candidate: str) -> str:
        """A verdict on fresh seeds is taken from the tape: promotion is no part of the rounds."""
        if candidate not in self.archive.ranking(self.settings.name):
            return f"{candidate} was demoted by a re-test then, and has no score now"
        if event.kind == "demote":
            self.archive.demote(candidate, event.rung, event.gain, event.replicates)
        else:
            self.archive.reinstate(candidate, event.rung)
        return ""

    def explained(self, error: object) -> str:
        if not isinstance(error, NoRecordedAnswer):
            return str(error) or type(error).__name__
        known = self.archive.tape.others(error.round_id, error.role, error.attempt)
        asked = f"the {error.role} is asked in try {error.attempt} with prompt hash {error.prompt_hash[:12]}"
        if known:
            return f"{asked}, recorded are {', '.join(hash[:12] for hash in known)}: the prompt is not the recorded one"
        return f"{asked}, and no answer to such a question was recorded"
