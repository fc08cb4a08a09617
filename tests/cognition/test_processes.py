"""Several processes on one archive, and processes that die in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.records import ModelCall, Score
from tests.cognition.crowd import ITEM
from tests.cognition.play import NAME, evaluation, new_archive, opened, result, url

ROOT = Path(__file__).parents[2]


def start(role: str, folder: Path, argument: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.cognition.crowd", role, url(folder), str(argument)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_four_processes_create_and_fill_one_archive(tmp_path: Path) -> None:
    workers = [start("worker", tmp_path, first) for first in range(4)]
    errors = [worker.communicate(timeout=60)[1] for worker in workers]
    assert errors == [""] * 4
    with Archive.open(url(tmp_path)) as archive:
        summaries = archive.rounds(NAME)
        assert [summary.index for summary in summaries] == list(range(40))
        assert {summary.state for summary in summaries} == {"recorded"}
        assert sorted(c.seq for c in archive.recent(NAME, 100)) == list(range(1, 41))
        assert archive.spend(NAME).cpu_s == pytest.approx(40 * 1.5)
        assert len(ItemStore(archive).all("circle_packing")) == 20
        assert len(archive.pending(100)) == 20


def test_each_round_is_claimed_by_one_process(tmp_path: Path) -> None:
    rivals = [start("rival", tmp_path, name) for name in ("a", "b")]
    won = [line for rival in rivals for line in rival.communicate(timeout=60)[0].split()]
    assert sorted(map(int, won)) == list(range(30))


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
def test_a_process_killed_while_recording_leaves_nothing_half_done(tmp_path: Path, statements: int) -> None:
    """The killed owner's claim is taken over, what it paid for is there, and recording again works."""
    new_archive(tmp_path).close()
    process = start("killed_in_record", tmp_path, statements)
    _, error = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, error
    with Archive.open(url(tmp_path)) as archive:
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
