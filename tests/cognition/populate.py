"""Fills an archive with many recorded rounds at once, as if they had been played; and counts what a round then costs.

python -m tests.cognition.populate        CPU time per round with 50 and with 10,000 candidates
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import event, insert, update
from sqlalchemy.engine import Engine

from cognition.archive import Archive, OpenRound, RoundResult
from cognition.elites import cell_of
from cognition.programs import code_hash
from cognition.randomness import derive
from cognition.records import Cost, Evaluation, Measurements, Provenance, Sample, Score, round_id
from cognition.samplers import Sampler, SamplerSettings, make_sampler
from cognition.schema import NEVER, campaigns, candidates, elites, rounds, scores
from tests.cognition.play import NAME, new_archive

ISLANDS, BINS = 5, 10
WARM_UP = 20
#: About as long as a real candidate of circle packing, 7 kB.
PROGRAM = "".join(f"def step_{n}(radii, n):\n    return [r * 0.9 + {n} / n for r in radii]\n\n" for n in range(100))


@dataclass
class Rows:
    """Rows of the tables."""

    rounds: list[dict[str, Any]] = field(default_factory=list)
    candidates: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    elites: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)


def populate(archive: Archive, count: int) -> None:
    """Rounds 0 to count - 1 of the campaign, all scored, each child of one of the ten best before it."""
    rows, visits, best = Rows(), Counter[str](), list[tuple[float, str]]()
    rng = random.Random(count)
    for index in range(count):
        parent = rng.choice(best)[1] if best else None
        visits.update([parent] if parent else [])
        fitness = rng.random()
        _add(rows, index, parent, visits[parent or ""], fitness, rng)
        best = sorted([*best, (fitness, round_id(NAME, index))], reverse=True)[:10]
    with archive.database.write() as tx:
        for table in (rounds, candidates, scores):
            tx.execute(insert(table), getattr(rows, table.name))
        tx.execute(insert(elites), list(rows.elites.values()))
        tx.execute(update(campaigns).values(opened=count, candidates=count))


def _add(rows: Rows, index: int, parent: str | None, visit: int, fitness: float, rng: random.Random) -> None:
    identity, island, seq = round_id(NAME, index), index % ISLANDS, index + 1
    features = {"complexity": rng.random(), "diversity": rng.random()}
    common = {"campaign": NAME, "round_index": index, "outcome": Score(fitness)}
    sample = Sample(parent, (), index, "ucb1")
    times = {"started_at": "2026-01-01", "ended_at": "2026-01-01"}
    claim = {"state": "recorded", "owner": "me", "lease_until": 0.0, "token": 1, "revision": {}, "sample": sample}
    drawn = {"parent": parent, "visit": visit or None, "opened": seq, "candidate": identity}
    rows.rounds.append({"id": identity, **common, **claim, **drawn, **times})
    program = {"code": f"x = {index}", "code_hash": f"{index:064d}", "motivation": "because", "parents": ()}
    known = {"provenance": Provenance("t"), "metrics": {}, "features": features, "analysis": "", "sandbox_tier": ""}
    candidate = {"seq": seq, "id": identity, "round_id": identity, "created_at": "2026-01-01"}
    rows.candidates.append({**common, **program, **known, **candidate})
    score = {"candidate": identity, "campaign": NAME, "seq": seq, "fitness": fitness}
    rows.scores.append({**score, "evaluations": 1})
    key = (island, cell_of(features, BINS))
    if key not in rows.elites or fitness > rows.elites[key]["fitness"]:
        rows.elites[key] = {**score, "island": island, "cell": key[1], "until": NEVER, "migrant": False}


def claimed(archive: Archive, sampler: Sampler, index: int) -> OpenRound:
    return archive.open_round(NAME, index, "me", 60, lambda view: sampler.sample(view, index, derive(0, index)))


def brought(claim: OpenRound, code: str, rng: random.Random) -> RoundResult:
    measured = Measurements({"sum": rng.random()}, {"packing": [0.1] * 78}, "a line\n" * 50, Cost(cpu_s=1.0))
    return RoundResult(
        claim.round_id,
        claim.token,
        Score(rng.random()),
        code,
        "because " * 30,
        Provenance("recombine"),
        (Evaluation("explore", 1, "1", measured),),
        "a finding " * 100,
        {"complexity": rng.random(), "diversity": rng.random()},
    )


@dataclass
class Work:
    """What SQLite did."""

    statements: int = 0
    hundreds_of_instructions: int = 0  # of its virtual machine


@contextmanager
def counted(archive: Archive) -> Iterator[Work]:
    """Count statements and virtual machine instructions of an archive that one thread uses."""
    work = Work()

    def instruction() -> None:
        work.hundreds_of_instructions += 1

    def statement(*_: object) -> None:
        work.statements += 1

    with archive.database.read() as tx:  # the pool hands the same connection out again
        raw = tx.connection.driver_connection
    assert raw is not None
    raw.set_progress_handler(instruction, 100)
    event.listen(Engine, "after_cursor_execute", statement)
    yield work
    event.remove(Engine, "after_cursor_execute", statement)
    raw.set_progress_handler(None, 0)


def measure(kind: str, counts: tuple[int, ...], repeats: int = 200) -> dict[int, list[float]]:
    """Median CPU ms of open, of record, and of what the other steps read and queue, by number of candidates.

    The archives take turns round by round, so that other load on the machine meets all of them alike.
    """
    taken: dict[int, list[tuple[float, ...]]] = {count: [] for count in counts}
    sampler = make_sampler(SamplerSettings.model_validate({"kind": kind}))
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        archives = {count: stack.enter_context(new_archive(Path(folder) / str(count))) for count in counts}
        for count, archive in archives.items():
            populate(archive, count)
        for number in range(repeats):
            for count, archive in archives.items():
                taken[count].append(_timed_round(archive, sampler, count + number))
    return {
        count: [1000 * statistics.median(column) for column in zip(*rounds[WARM_UP:], strict=True)]
        for count, rounds in taken.items()
    }


def _timed_round(archive: Archive, sampler: Sampler, index: int) -> tuple[float, ...]:
    code = f"{PROGRAM}\nx = {index}\n"
    code_hash(code)  # the propose step asks for it, and it is remembered
    marks = [time.process_time()]
    claim = claimed(archive, sampler, index)
    marks.append(time.process_time())
    archive.record(brought(claim, code, random.Random(index)))
    marks.append(time.process_time())
    _rest(archive, claim, code)
    marks.append(time.process_time())
    return tuple(later - earlier for earlier, later in pairwise(marks))


def _rest(archive: Archive, claim: OpenRound, code: str) -> None:
    archive.top(NAME, 50, up_to=claim.sample.sequence)
    archive.recent(NAME, 50, up_to=claim.sample.sequence)
    archive.find_code(NAME, code_hash(code), up_to=claim.sample.sequence)
    archive.best(NAME)
    archive.spend(NAME)
    archive.baseline_evaluations(NAME, "explore")
    for step in range(7):
        archive.enqueue(NAME, claim.round_id, f"step {step}", {"texts": {"program.py": code}})


if __name__ == "__main__":
    sys.stdout.write("sampler     candidates    open  record    rest  (median CPU ms per round)\n")
    for kind in ("ucb1", "map_elites", "top_k"):
        for count, (opening, recording, rest) in measure(kind, (50, 10_000)).items():
            sys.stdout.write(f"{kind:10} {count:11} {opening:7.2f} {recording:7.2f} {rest:7.2f}\n")
