"""Several processes on one archive, and processes that die in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.randomness import derive
from cognition.records import ModelCall, Score
from cognition.samplers import SamplerSettings, make_sampler
from cognition.schema import rounds
from cognition.vectors import Vector
from cognition.view import ArchiveView
from tests.cognition.crowd import ITEM
from tests.cognition.play import NAME, evaluation, opened, result

ROOT = Path(__file__).parents[2]


def start(role: str, url: str, argument: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.cognition.crowd", role, url, str(argument)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_four_processes_create_and_fill_one_archive(empty_url: str) -> None:
    workers = [start("worker", empty_url, first) for first in range(4)]
    errors = [worker.communicate(timeout=60)[1] for worker in workers]
    assert errors == [""] * 4
    with Archive.open(empty_url) as archive:
        summaries = archive.rounds(NAME)
        assert [summary.index for summary in summaries] == list(range(40))
        assert {summary.state for summary in summaries} == {"recorded"}
        assert sorted(c.seq for c in archive.recent(NAME, 100)) == list(range(1, 41))
        assert archive.spend(NAME).cpu_s == pytest.approx(40 * 1.5)
        assert len(ItemStore(archive).all("circle_packing")) == 20
        assert len(archive.pending(100)) == 20


def test_what_was_drawn_among_rivals_can_be_replayed(empty_url: str) -> None:
    """Sequence numbers become visible in their order: nothing appears later under a number that was already read."""
    for worker in [start("worker", empty_url, first) for first in range(4)]:
        assert worker.communicate(timeout=60)[1] == ""
    sampler = make_sampler(SamplerSettings.model_validate({"kind": "map_elites"}))
    with Archive.open(empty_url) as archive, archive.database.read() as tx:
        drawn = tx.execute(select(rounds).where(rounds.c.round_index > 0)).all()
        assert len(drawn) == 39
        for row in drawn:
            view = ArchiveView(tx, NAME, row.sample.sequence, row.opened - 1)
            assert sampler.sample(view, row.round_index, derive(0, row.round_index)) == row.sample


def test_only_one_is_alone_and_its_death_frees_the_place(archive_url: str) -> None:
    holder = start("holder", archive_url, "publisher")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    with Archive.open(archive_url) as archive:
        with archive.database.alone("publisher") as held:
            assert not held
        with archive.database.alone("another") as held:
            assert held
        holder.kill()
        holder.communicate(timeout=60)
        for _ in range(100):  # a database notices within moments
            with archive.database.alone("publisher") as held:
                if held:
                    return
            time.sleep(0.05)
    pytest.fail("the place of a dead process was not freed")


def test_each_round_is_claimed_by_one_process(empty_url: str) -> None:
    rivals = [start("rival", empty_url, name) for name in ("a", "b")]
    won = [line for rival in rivals for line in rival.communicate(timeout=60)[0].split()]
    assert sorted(map(int, won)) == list(range(30))


def test_two_processes_give_vectors_to_one_base(empty_url: str) -> None:
    workers = [start("embedder", empty_url, name) for name in ("a", "b")]
    assert [worker.communicate(timeout=60)[1] for worker in workers] == ["", ""]
    with Archive.open(empty_url) as archive:
        store = ItemStore(archive)
        assert store.without_vector("d", "m", 9) == []
        assert store.vector_spaces() == [("d", "m", 2, 60)]
        found = store.recall("d", "", 50, Vector.of("m", [1.0, 0.0]))
        assert len(found) == 50


def test_threads_share_an_archive(archive: Archive) -> None:
    errors: list[BaseException] = []

    def play(first: int) -> None:
        try:
            for index in range(first, 40, 8):
                archive.record(result(opened(archive, index), Score(float(index))))
                archive.top(NAME, 5)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=play, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert archive.recorded_rounds(NAME) == frozenset(range(40))


@pytest.mark.parametrize("statements", [4, 11])
def test_a_process_killed_while_recording_leaves_nothing_half_done(archive_url: str, statements: int) -> None:
    """The killed owner's claim is taken over, what it paid for is there, and recording again works."""
    process = start("killed_in_record", archive_url, statements)
    _, error = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, error
    with Archive.open(archive_url) as archive:
        assert archive.recent(NAME, 5) == []
        assert archive.rounds(NAME)[0].state == "running"
        assert archive.spend(NAME).cpu_s == 0.0
        assert archive.evaluations("packing-0001") == []
        expected = ModelCall("packing-0001", "researcher", 1, "h", "m", "p", "answer", 1, 1, 0.5, 1.0)
        assert archive.find_call("packing-0001", "researcher", 1, "h") == expected
        claim = opened(archive, 1)
        done = result(claim, Score(1.0), evaluations=(evaluation(1), evaluation(2)), items=(ITEM,))
        assert [archive.record(done), archive.record(done)] == [True, False]
        assert (archive.spend(NAME).cpu_s, archive.spend(NAME).dollars) == (3.0, 0.5)
        assert ItemStore(archive).all("circle_packing") == (ITEM,)
