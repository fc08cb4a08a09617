"""How a campaign gets faster with more worker processes: `python -m benchmarks.workers`.

    python -m benchmarks.workers --workers 1 8 --rounds 20 --sleep 5       the table of docs/team.md
    python -m benchmarks.workers --workers 1 2 --rounds 4 --sleep 1        a short look

The problem is the tests' toy, whose training sleeps: what is measured is the engine, not the cores. Every worker is a
`nightshift run` process of its own with one round in flight, on a PostgreSQL (Debian's programs, started here without
durability) that holds archive, Prefect and MLflow, and one Prefect server. Rounds per second count from the moment
every worker has ended its first round to the moment the first of them ends its last one: starting is left out, as are
the last rounds, when some have nothing to do.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # started by its path, what is not installed is found here

from tests import postgres
from tests.team import Team, team


@dataclass(frozen=True, slots=True)
class Rate:
    """What one population of workers did in the measured window."""

    workers: int
    rounds: int
    window_s: float

    @property
    def per_s(self) -> float:
        """Rounds per second."""
        return self.rounds / self.window_s


def rate_of(rows: Sequence[Any], workers: int) -> Rate:
    """The rate in the window in which all workers were at work. Rows have `owner` and `ended_at`."""
    ends: dict[str, list[datetime]] = {}
    for row in rows:
        ends.setdefault(row.owner, []).append(datetime.fromisoformat(row.ended_at))
    if len(ends) != workers:
        raise SystemExit(f"{workers} workers were started, {len(ends)} did something: more rounds are needed")
    begin, end = max(min(times) for times in ends.values()), min(max(times) for times in ends.values())
    within = [time for time in itertools.chain.from_iterable(ends.values()) if begin < time <= end]
    if not within:
        raise SystemExit("the workers were never all at work: more rounds are needed")
    return Rate(workers, len(within), (end - begin).total_seconds())


def measure(shared: Team, workers: int, rounds: int, sleep_s: float, *, tracking: bool) -> Rate:
    """One campaign by so many processes."""
    name = f"workers-{workers}"
    options = {"options__sleep_s": sleep_s, "tracking__enabled": str(tracking).lower()}
    processes = [shared.start(name, rounds * workers, worker=number, **options) for number in range(workers)]
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit(f"exit codes {codes}: {shared.log(name, 0)[-2000:]}")
    return rate_of(shared.rounds(name), workers)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8], help="numbers of processes to compare")
    parser.add_argument("--rounds", type=int, default=20, help="per worker")
    parser.add_argument("--sleep", type=float, default=5.0, help="how long an evaluation takes, in seconds")
    parser.add_argument("--no-tracking", action="store_true", help="without MLflow")
    arguments = parser.parse_args()
    programs = postgres.programs()
    if programs is None:
        raise SystemExit(postgres.MISSING)
    server = postgres.start(programs)
    try:
        with tempfile.TemporaryDirectory() as folder, team(server, Path(folder)) as shared:
            print("| workers | rounds measured | rounds/s | against the first row | of workers/evaluation |")
            print("|---|---|---|---|---|", flush=True)
            first: Rate | None = None
            for count in arguments.workers:
                rate = measure(shared, count, arguments.rounds, arguments.sleep, tracking=not arguments.no_tracking)
                first = first or rate
                share = rate.per_s / (count / arguments.sleep)
                print(
                    f"| {count} | {rate.rounds} | {rate.per_s:.2f} | {rate.per_s / first.per_s:.1f} | {share:.0%} |",
                    flush=True,
                )
    finally:
        server.stop()
    print(f"\nevaluation {arguments.sleep:g} s; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the end")


if __name__ == "__main__":
    main()
