"""What the engine itself costs per round: no model latency, no evaluation, no sandbox; tracking included.

    python benchmarks/round_overhead.py                     one worker, populations of 50 and 10,000
    python benchmarks/round_overhead.py --latency 0.2 10    workers beside a proposer that takes that long

The problem is the tests' toy, the sandbox is replaced by one that answers at once, everything else is what `nightshift
run` uses: a local Prefect server on SQLite, the archive on SQLite, MLflow on SQLite. Wall time is per round; CPU is of
the client process, all its threads. The server's CPU is not in it. State lives in a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cognition.archive import Archive, RoundResult
from cognition.records import Evaluation, Failure, Measurements, Provenance, Sample, Score
from flows import local_server, progress, runtime
from flows.alerts import Alert
from flows.config import Settings
from flows.home import Home, open_home
from tasks.proposal import Context, Proposal
from tasks.sandbox.handle import Finished, Job

WARM_UP = 3


@dataclass(slots=True)
class Timings:
    """A watcher that keeps each round's wall time, and the process's CPU time when the round ended."""

    rounds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    started: float = 0.0
    ended: float = 0.0

    def campaign_started(self, name: str, done: int, total: int, best: float | None) -> None:
        """The clock starts: what the process needs before its first round is paid once per night."""
        self.started = time.perf_counter()

    def round_started(self, index: int) -> None:
        """Not needed."""

    def round_ended(self, ended: progress.RoundEnded) -> None:
        """Keep it."""
        assert ended.outcome is not None, ended.reason
        self.rounds.append(ended.wall_s)
        self.cpu.append(time.process_time())
        self.ended = time.perf_counter()

    def alerted(self, alert: Alert) -> None:
        """Not needed."""

    def asked(self, question: str) -> None:
        """Not needed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What each round cost, the first few left out, and all together from the first's start to the last's end."""

    walls_s: list[float]
    cpus_s: list[float]
    whole_s: float
    rounds: int


class NoSandbox:
    """Answers at once that all is well."""

    tier = "none"

    def run(self, job: Job) -> Finished | Failure:
        """Nothing is run."""
        return Finished(answer={"problem": ""})

    def close(self) -> None:
        """Nothing to close."""


@dataclass(slots=True)
class SlowProposer:
    """A model that thinks for `latency_s` and then varies a number."""

    latency_s: float

    async def propose(self, context: Context, refused: tuple[Failure, ...]) -> Proposal:
        """A new number every time."""
        await asyncio.sleep(self.latency_s)
        code = f"x = {context.seed / 2**31 * 6 + len(refused)}\n"
        return Proposal(code, "another number", Provenance("openai"))


@contextmanager
def replaced(latency_s: float) -> Iterator[None]:
    """The engine without sandbox and with a scripted proposer."""
    with (
        patch("flows.engines._sandbox", lambda settings, home, domain: NoSandbox()),
        patch("flows.engines._proposer", lambda settings, domain, model: SlowProposer(latency_s)),
    ):
        yield


def settings_of(name: str, rounds: int, workers: int) -> Settings:
    """A campaign of the toy problem."""
    values: dict[str, Any] = {"name": name, "problem": "tests.toy_domain:Toy", "rounds": rounds, "workers": workers}
    return Settings.model_validate({**values, "propose": {"kind": "random"}})


def fill(archive: Archive, settings: Settings, population: int) -> None:
    """Record `population` candidates straight into the archive, so that the campaign starts with them."""
    archive.create_campaign(settings.name, settings.problem, settings.seed, settings.model_dump(mode="json"), "1")
    for index in range(population):
        parent = f"{settings.name}-0000" if index else None
        opened = archive.open_round(
            settings.name,
            index,
            "filler",
            60.0,
            lambda view, p=parent: Sample(p, (), view.sequence, "filler"),  # type: ignore[misc]
        )
        value = -9.0 * (1 - index / population)
        measured = Measurements({"closeness": value}, {"x": 0.0})
        archive.record(
            RoundResult(
                opened.round_id,
                opened.token,
                code=f"x = {index}.5\n",
                motivation="filled in",
                provenance=Provenance("filler"),
                outcome=Score(value),
                evaluations=(Evaluation("explore", 1, "1", measured),),
                analysis="x is far off",
                features={"complexity": index % 10 / 10, "diversity": index % 7 / 7},
                sandbox_tier="none",
            )
        )


def filled(home: Home, name: str, population: int, workers: int = 1) -> str:
    """A campaign whose first `population` rounds and baseline are recorded; returns its name."""
    with Archive.open(home.archive_url) as archive:
        fill(archive, settings_of(name, population, workers), population + 1)
    return name


def measure(home: Home, name: str, done: int, rounds: int, workers: int, latency_s: float) -> Cost:
    """Run the next `rounds` of a campaign of which `done` are recorded; what they cost."""
    timings = Timings()
    progress.watch(timings)
    with replaced(latency_s):
        ended = runtime.run_campaign(settings_of(name, done + rounds, workers), lambda: None)
    assert ended.ending == "finished", ended.sentence
    cpu_s = [after - before for before, after in pairwise(timings.cpu)]
    whole_s = timings.ended - timings.started
    return Cost(timings.rounds[WARM_UP:], cpu_s[WARM_UP - 1 :], whole_s, len(timings.rounds))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="per population and turn")
    parser.add_argument("--turns", type=int, default=4, help="populations take turns, so that drift hits all alike")
    parser.add_argument("--populations", type=int, nargs="+", default=[50, 10_000])
    parser.add_argument("--latency", type=float, nargs="*", default=[])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = open_home(Path(folder))
        runtime.enter(home, ephemeral=False)
        try:
            measure(home, filled(home, "warm-up", 5), 5, 10, 1, 0.0)  # imports, first connections
            overhead_table(home, arguments.populations, arguments.rounds, arguments.turns)
            if arguments.latency:
                latency_table(home, arguments.latency, arguments.workers)
        finally:
            local_server.stop(home)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory of the engine {peak_mb:.0f} MB; {os.cpu_count()} cores")


def overhead_table(home: Home, populations: list[int], rounds: int, turns: int) -> None:
    """One worker, no latency."""
    names = {population: filled(home, f"overhead-{population}", population) for population in populations}
    costs: dict[int, list[Cost]] = {population: [] for population in populations}
    for turn in range(turns):
        for population, name in names.items():
            costs[population].append(measure(home, name, population + turn * rounds, rounds, 1, 0.0))
    print("| population | wall s, median | mean | 90th percentile | client CPU-s, mean | medians of the turns |")
    print("|---|---|---|---|---|---|")
    for population in populations:
        walls = [wall_s for cost in costs[population] for wall_s in cost.walls_s]
        cpu_s = statistics.fmean(cpu_s for cost in costs[population] for cpu_s in cost.cpus_s)
        p90 = sorted(walls)[int(len(walls) * 0.9)]
        medians = ", ".join(f"{statistics.median(cost.walls_s):.3f}" for cost in costs[population])
        row = f"{statistics.median(walls):.3f} | {statistics.fmean(walls):.3f} | {p90:.3f} | {cpu_s:.3f} | {medians}"
        print(f"| {population:,} | {row} |", flush=True)


def latency_table(home: Home, latencies: list[float], workers: list[int]) -> None:
    """How far the overhead hides behind a slow model."""
    print("\n| model s | workers | rounds/s | s per round | of which model s / workers | the engine's share |")
    print("|---|---|---|---|---|---|")
    for latency_s in latencies:
        for count in workers:
            rounds = count * max(3, min(40, int(20 / latency_s)))
            name = filled(home, f"latency-{int(latency_s * 1000)}-{count}", 50, count)
            cost = measure(home, name, 50, rounds, count, latency_s)
            each_s, model_s = cost.whole_s / cost.rounds, latency_s / count
            row = f"{1 / each_s:.2f} | {each_s:.3f} | {model_s:.3f} | {each_s - model_s:.3f}"
            print(f"| {latency_s:g} | {count} | {row} |", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))  # the toy problem is in tests/, which is not installed
    main()
