"""The same campaign with another sampler, from its first round on: for campaigns that need no recorded answer.

Nothing is compared value by value, since other parents make other programs. The recorded run and this one are two
draws; their difference says little without further seeds.
"""

from __future__ import annotations

import asyncio

from cognition.archive import Archive
from cognition.records import Candidate, round_id
from flows import gpu_slots, turns
from flows.config import Settings
from flows.engines import engine_for
from flows.evolution_round import evolution_round
from flows.replaying.records import Cassette, Progress, Ran


async def run(cassette: Cassette, settings: Settings, progress: Progress) -> Ran:
    """As many rounds as were recorded, one at a time. Raises ConfigError, MachineFault."""
    engine = engine_for(settings)
    engine.items.add_missing([*cassette.base, *cassette.blocks])
    await gpu_slots.ensure(engine)
    stored = settings.model_dump(mode="json")
    engine.archive.create_campaign(
        settings.name, settings.problem, settings.seed, stored, engine.domain.contract_version
    )
    await asyncio.to_thread(turns.prepare, engine)
    rounds = cassette.recorded
    for done, index in enumerate(rounds, start=1):
        state = await evolution_round(settings.model_dump(mode="json"), index, return_state=True)
        if not state.is_completed():
            error = await state.aresult(raise_on_failure=False)
            return _ran(engine.archive, settings, done - 1, f"{round_id(settings.name, index)}: {error}")
        progress(done, len(rounds))
    return _ran(engine.archive, settings, len(rounds), "")


def _ran(archive: Archive, settings: Settings, rounds: int, stopped: str) -> Ran:
    best: Candidate | None = archive.best(settings.name)
    return Ran(rounds, best.id if best else None, best.fitness if best else None, stopped)
