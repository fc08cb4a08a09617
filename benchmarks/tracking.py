"""What MLflow takes for a candidate, and to find the best ten: `python -m benchmarks.tracking`.

    python -m benchmarks.tracking                        2,000 candidates, about two minutes
    python -m benchmarks.tracking --candidates 100       a short look
    python -m benchmarks.tracking --server               through a server, as `nightshift up` has it, not the database

Candidates are written by the tracker that campaigns use: a run with its lineage's tags, ten metrics and five artefacts.
Nineteen of twenty are written without artefacts, which a search does not read; the timed ones are complete. The
search is the one of mlflow/README.md. It says nothing about Postgres or S3.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows import services
from flows.home import open_home
from flows.local_server import MLFLOW
from tasks.publication import Publication
from tasks.tracking import Tracker, now_ms, open_tracker

EXPERIMENT, CAMPAIGN = "benchmark", "night"
METRICS = ("fitness", *(f"explore/metric_{number}" for number in range(9)))
TEXTS = {
    "program.py": "def solve():\n    return 1\n" * 60,
    "parent.diff": "-    return 0\n+    return 1\n" * 30,
    "motivation.md": "A larger step, because the last ones were too small. " * 8,
    "analysis.md": "The gain comes from the first phase. " * 20,
    "train.log": "step 1 of 100\n" * 200,
}
COMPLETE_EVERY = 20


def candidate(index: int, rng: random.Random, texts: dict[str, str]) -> Publication:
    """One scored candidate, as its steps add up."""
    key = f"{CAMPAIGN}-{index:04}"
    tags = {
        "nightshift.candidate": key,
        "nightshift.round_index": str(index),
        "nightshift.parents": f"{CAMPAIGN}-{max(0, index - 1):04},{CAMPAIGN}-0000",
        "nightshift.outcome": "scored",
        "nightshift.code_hash": f"{rng.getrandbits(64):016x}",
    }
    metrics = {name: rng.random() for name in METRICS}
    return Publication(EXPERIMENT, CAMPAIGN, key, now_ms(), tags=tags, metrics=metrics, texts=texts, status="FINISHED")


def write(tracker: Tracker, candidates: int, rng: random.Random) -> list[tuple[float, float]]:
    """Fill the store; wall and CPU seconds of the complete candidates."""
    times: list[tuple[float, float]] = []
    for index in range(1, candidates + 1):
        complete = index % COMPLETE_EVERY == 0
        publication = candidate(index, rng, TEXTS if complete else {})
        wall, cpu = time.perf_counter(), time.process_time()
        tracker.publish(publication)
        if complete:
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return times


def search(tracker: Tracker, times: int = 7) -> list[tuple[float, float]]:
    """Wall and CPU seconds of looking for the ten best candidates."""
    experiment = tracker.client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    taken: list[tuple[float, float]] = []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        found = tracker.client.search_runs(
            [experiment.experiment_id],
            "tags.`nightshift.kind` = 'candidate'",
            order_by=["metrics.fitness DESC"],
            max_results=10,
        )
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
        best = [run.data.metrics["fitness"] for run in found]
        if len(best) != 10 or best != sorted(best, reverse=True):
            raise SystemExit(f"the search found {best}")
    return taken


@contextmanager
def store(folder: Path, server: bool) -> Iterator[Tracker]:
    """An empty MLflow: its database, or a server on it."""
    home = open_home(folder)
    if not server:
        yield open_tracker(f"sqlite:///{folder / 'mlflow.db'}", home.mlflow_artefacts)
        return
    running = services.ensure(home, MLFLOW)
    try:
        yield open_tracker(running.local_url, home.mlflow_artefacts)
    finally:
        services.stop(home, MLFLOW)


def line(name: str, times: list[tuple[float, float]], target_s: float) -> str:
    """A row of the table."""
    walls, cpus = zip(*times, strict=True)
    median, worst, cpu = statistics.median(walls), max(walls), statistics.median(cpus)
    return f"| {name} | {median:.3f} | {worst:.3f} | {cpu:.3f} | {target_s:g} | {len(times)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=2_000)
    parser.add_argument("--server", action="store_true")
    arguments = parser.parse_args()
    if arguments.candidates < COMPLETE_EVERY:
        parser.error(f"--candidates: at least {COMPLETE_EVERY}, expected; every {COMPLETE_EVERY}th is timed")
    with tempfile.TemporaryDirectory() as folder, store(Path(folder), arguments.server) as tracker:
        written = write(tracker, arguments.candidates, random.Random(0))
        print("| s | median | slowest | CPU s of this process | target | times |\n|---|---:|---:|---:|---:|---:|")
        print(line("10 metrics and 5 artefacts of one candidate", written, 0.5))
        print(line(f"the best 10 of {arguments.candidates}", search(tracker), 1.5))


if __name__ == "__main__":
    main()
