"""How fast and how well the cognition base recalls: latency at 10,000 and 100,000 items, known-item hit@5.

    OMP_NUM_THREADS=1 python -m benchmarks.retrieval [--items 10000 100000] [--path MODEL | --base-url URL --model NAME]
    OMP_NUM_THREADS=1 python -m benchmarks.retrieval --postgres [--items 10000]

Latency is measured on made-up items whose words are drawn with Zipf's frequencies, with queries as long as a round's
(several analyses), single-threaded. Vectors are random: the cost of an exact product does not depend on what they say.
On PostgreSQL (a server of its own, with pgvector if there is one) the CPU time of its processes is added, from Linux's
/proc.
Hit@5 asks for the items shipped with the problems by symptoms (benchmarks/known_item.py), by vectors too if a model or
an endpoint is named: random vectors would say nothing there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from sqlalchemy import create_engine, insert

from cognition import search
from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.records import Item
from cognition.schema import item_vectors, items
from cognition.vectors import Vector

sys.path.insert(0, str(Path(__file__).parents[1]))  # started by its path, what is not installed is found here

from benchmarks import known_item

DIMENSION = 384
VOCABULARY = 20_000
#: Medians to stay below, in milliseconds: text at 10,000, text and vectors at 100,000 (docs/cognition.md).
TARGETS_MS = {10_000: 5.0, 100_000: 30.0}


class Author:
    """Writes texts of made-up words, common ones more often."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self._words = ["".join(rng.choices(letters, k=rng.randint(4, 10))) for _ in range(VOCABULARY)]
        self._weights = np.cumsum([1.0 / rank for rank in range(10, VOCABULARY + 10)]).tolist()
        self._rng = rng

    def text(self, words: int) -> str:
        """So many words."""
        return " ".join(self._rng.choices(self._words, cum_weights=self._weights, k=words))

    def item(self, number: int) -> Item:
        """An item as long as a real one."""
        triggers = tuple(self.text(4) for _ in range(4))
        return Item(f"item-{number}", "bench", self.text(20), triggers, self.text(40), self.text(40))


def filled(url: str, count: int, *, vectors: bool) -> Archive:
    """An archive with that many items, and a random vector each if asked."""
    archive, author, rng = Archive.open(url), Author(count), np.random.default_rng(0)
    store = ItemStore(archive)
    with store.database.write() as tx:  # in bulk: item by item, 100,000 take many minutes
        for start in range(0, count, 5_000):
            made = [author.item(number) for number in range(start, min(start + 5_000, count))]
            fixed = {"domain": "bench", "version": 1, "has_block": False, "created_at": "", "updated_at": ""}
            rows = range(start + 1, start + 1 + len(made))
            values = [
                {"row": row, "id": item.id, "content": item, **fixed} for row, item in zip(rows, made, strict=True)
            ]
            tx.execute(insert(items), values)
            for row, item in zip(rows, made, strict=True):
                search.add(tx, row, item)
            search.tidy(tx, rows[-1], len(rows))
            if vectors:
                tx.execute(insert(item_vectors), [_vector_row(row, rng) for row in rows])
    if archive.database.is_postgres:  # as its autovacuum does after a while
        with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    return archive


def _vector_row(row: int, rng: np.random.Generator) -> dict[str, Any]:
    values_D = Vector.of("random", rng.normal(size=DIMENSION)).values_D
    space = {"domain": "bench", "version": 1, "model": "random", "dimension": DIMENSION}
    return {"row": row, **space, "vector": values_D.astype("<f4").tobytes()}


def timed_ms(ask: Callable[[str], object], queries: Sequence[str], clock: Callable[[], float]) -> list[float]:
    """Time of each query, after one that warms up."""
    ask(queries[0])
    found = []
    for query in queries[1:]:
        started = clock()
        ask(query)
        found.append((clock() - started) * 1e3)
    return sorted(found)


def latency(url: str, count: int, queries: int, clock: Callable[[], float]) -> list[dict[str, Any]]:
    """Text alone, and text with vectors, at one size; short queries and long ones."""
    rows = []
    with filled(url, count, vectors=True) as archive:
        store, author, rng = ItemStore(archive), Author(count), np.random.default_rng(1)
        vector = Vector.of("random", rng.normal(size=DIMENSION))
        for words in (12, 150):
            asked = [author.text(words) for _ in range(queries + 1)]
            ways: dict[str, Callable[[str], object]] = {
                "text": lambda query: store.recall("bench", query, 5),
                f"text + {DIMENSION}-d vectors": lambda query: store.recall("bench", query, 5, vector),
            }
            for name, ask in ways.items():
                taken = timed_ms(ask, asked, clock)
                p95 = taken[int(0.95 * len(taken))]
                row = {"items": count, "query_words": words, "by": name, "median_ms": statistics.median(taken)}
                rows.append({**row, "p95_ms": p95, "target_ms": TARGETS_MS.get(count)})
    return rows


def on_sqlite(counts: Sequence[int], queries: int) -> list[dict[str, Any]]:
    """CPU time (one thread, so wall time on an idle machine)."""
    with tempfile.TemporaryDirectory() as folder:
        urls = {count: f"sqlite:///{Path(folder) / f'{count}.db'}" for count in counts}
        return [row for count, url in urls.items() for row in latency(url, count, queries, time.process_time)]


def _cpu_with_server_s(data: Path) -> float:
    postmaster = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
    # Nanoseconds on a CPU; psutil's own counts are in hundredths of a second.
    spent_ns = 0
    for process in postmaster.children():
        with suppress(FileNotFoundError):
            spent_ns += int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0])
    return time.process_time() + spent_ns * 1e-9


def on_postgres(counts: Sequence[int], queries: int) -> list[dict[str, Any]]:
    """CPU time of this process and the server's."""
    from tests import postgres

    programs = postgres.programs_with_pgvector() or postgres.programs()
    if programs is None:
        raise SystemExit(postgres.MISSING)
    server = postgres.start(programs)
    try:
        rows = []
        for count in counts:
            url = server.create(f"bench_{count}")
            if postgres.programs_with_pgvector():
                server.execute("CREATE EXTENSION vector", f"bench_{count}")
            rows += latency(url, count, queries, partial(_cpu_with_server_s, server.folder / "data"))
        return rows
    finally:
        server.stop()


def main() -> None:
    """Measure and print; --json for machines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--queries", type=int, default=60)
    known_item.add_embedding_options(parser)
    parser.add_argument("--postgres", action="store_true", help="latency on a PostgreSQL server of its own")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report: dict[str, Any] = {
        "load": os.getloadavg()[0],
        "known_item": known_item.measured(known_item.embedder_of(arguments)),
        "latency": (on_postgres if arguments.postgres else on_sqlite)(arguments.items, arguments.queries),
    }
    if arguments.json:
        print(json.dumps(report, indent=2))
        return
    print(f"load {report['load']:.1f}; known item: {json.dumps(report['known_item'], indent=2)}")
    for row in report["latency"]:
        target = f"  target {row['target_ms']:g} ms" if row["target_ms"] else ""
        print(
            f"{row['items']:>7,} items, {row['query_words']:>3} words, {row['by']:<20}"
            f" median {row['median_ms']:7.2f} ms  p95 {row['p95_ms']:7.2f} ms{target}"
        )


if __name__ == "__main__":
    main()
