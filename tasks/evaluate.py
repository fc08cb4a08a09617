"""Steps 4 and 5, train and benchmark: run the candidate in the sandbox, then measure it by trusted code.

Each replicate has its own seed, its own workspace and its own cached result, so a retry repeats only what is missing.
"""

from __future__ import annotations

import asyncio

from cognition.records import Failure, Measurements
from tasks.artefacts import UriWorkspace, workspace
from tasks.asking_models import about
from tasks.check import Checked
from tasks.codec import fingerprint
from tasks.contract import JUDGE_LOG, Trained
from tasks.engine import Engine, Round


async def train(engine: Engine, round: Round, checked: Checked, seed: int) -> Trained | Failure:
    """The candidate's run at this rung and seed."""
    place = workspace_of(engine, round, checked.code, seed)
    rung = engine.evaluate.rung
    return await asyncio.to_thread(engine.domain.train, checked.code, rung, seed, engine.sandbox, place)


async def benchmark(
    engine: Engine, round: Round, checked: Checked, trained: Trained, seed: int
) -> Measurements | Failure:
    """What trusted code measures on the result."""
    place = workspace_of(engine, round, checked.code, seed)
    rung = engine.evaluate.rung
    with about(round.id):
        return await asyncio.to_thread(
            engine.domain.benchmark, checked.code, trained, rung, seed, engine.sandbox, place
        )


def judge_log(engine: Engine, round: Round, checked: Checked) -> str:
    """What went wrong in trusted code on any of the round's seeds, for people; "" if nothing did."""
    places = [workspace_of(engine, round, checked.code, seed) for seed in engine.evaluation_seeds()]
    return "\n".join(place.read(JUDGE_LOG).decode() for place in places if place.exists(JUDGE_LOG))


def workspace_of(engine: Engine, round: Round, code: str, seed: int) -> UriWorkspace:
    """Stable per round, revision, program, rung and seed: checkpoints of another program are never picked up."""
    revision = f"r{round.revision['train']}-{fingerprint(code)[:8]}"
    return workspace(engine.artefact_root, "rounds", round.id, revision, engine.evaluate.rung, str(seed))
