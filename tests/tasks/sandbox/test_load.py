"""A job that the host starved runs once more, alone; the lock that sees to it."""

from __future__ import annotations

import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cognition.records import Cost
from tasks.sandbox import Finished, Job, Pool, verdict
from tasks.sandbox.handle import HostOverloaded
from tasks.sandbox.load import Load
from tests.tasks.sandbox.jail import ADAPTER, FAST


def test_jobs_run_beside_each_other_but_not_beside_one_that_runs_alone(tmp_path: Path) -> None:
    now, most, beside_alone = [0], [0], []
    lock = threading.Lock()

    def job(alone: bool) -> None:
        load = Load(tmp_path)
        with load.alone(30) if alone else load.beside_others():
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.02)
            with lock:
                if alone:
                    beside_alone.append(now[0])
                now[0] -= 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(job, [False, False, False, True, False, False, True, False] * 2))
    assert beside_alone == [1, 1, 1, 1]
    assert most[0] > 1


def _hold(folder: Path, held: Any, release: Any) -> None:
    with Load(folder).beside_others():
        held.set()
        release.wait(10)


def test_other_processes_are_waited_for(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held, release))
    other.start()
    assert held.wait(10)
    entered = threading.Event()

    def alone() -> None:
        with Load(tmp_path).alone(30):
            entered.set()

    thread = threading.Thread(target=alone)
    thread.start()
    assert not entered.wait(0.2)
    release.set()
    assert entered.wait(10)
    thread.join()
    other.join()


def test_who_waits_in_vain_to_run_alone_gives_up_and_lets_others_go_on(tmp_path: Path) -> None:
    load = Load(tmp_path)
    with load.beside_others():
        with pytest.raises(TimeoutError, match="did not end"), load.alone(0.1):
            pass
        with load.beside_others():  # nobody waits in front any more
            pass


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    load = Load(tmp_path)
    load._running.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"), load.beside_others():
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("starved", [1, 2])
def test_a_starved_job_runs_once_more_alone(
    sandbox: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starved: int
) -> None:
    """The first `starved` runs are judged as if the host had kept them waiting."""
    judged: list[Cost] = []
    real = verdict.judge

    def judge(ending: verdict.Ending, *rest: Any) -> Any:
        judged.append(ending.cost)
        if len(judged) <= starved:
            raise HostOverloaded("the host kept a candidate waiting")
        return real(ending, *rest)

    monkeypatch.setattr(verdict, "judge", judge)
    monkeypatch.setattr(sandbox, "_load", Load(tmp_path))  # another program's long jobs are not this test's affair
    job = Job("def main(request): return 1", ADAPTER, "call:main", None, FAST)
    if starved == 1:
        result = sandbox.run(job)
        assert isinstance(result, Finished)
        assert result.answer == 1
    else:
        with pytest.raises(HostOverloaded) as raised:
            sandbox.run(job)
        assert not raised.value.may_pass  # neither at once nor for ever: the round fails and can be resumed
    assert len(judged) == 2
