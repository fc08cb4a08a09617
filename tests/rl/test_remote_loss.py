"""The trainer's side of a candidate's pipes: an answer has a deadline as a whole, and it is said who is to blame."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from rl.gpu.remote_loss import Candidate, CandidateProcess, NoAnswer, WrongAnswer
from rl.inside import wire
from rl.inside.surface import Context
from tests.rl.test_domain import in_training

WALL_S = 0.4
N = 8


def context(count: int = N) -> Context:
    ids = torch.zeros(count, dtype=torch.int64)
    return Context(0, 4, 0, count, 0.2, 0.2, 0.0, 3, 12.0, ids, torch.Generator().manual_seed(5))


@contextmanager
def opposite(behave: Callable[[int, int], None]) -> Iterator[Candidate]:
    """A candidate whose other side is a function of this test, with the descriptors that it reads and writes."""
    (ask_read, ask), (answer, answer_write) = os.pipe(), os.pipe()
    thread = threading.Thread(target=behave, args=(ask_read, answer_write))
    thread.start()
    candidate = Candidate(ask, answer, cpu_s=1.0, wall_s=WALL_S)
    try:
        yield candidate
    finally:
        candidate.close()
        thread.join()
        os.close(ask_read)
        os.close(answer_write)


def asked(candidate: Candidate, count: int = N) -> torch.Tensor:
    return candidate.advantages(torch.ones(count), torch.zeros(count, dtype=torch.int64), context(count))


def message() -> bytes:
    """What an honest side writes."""
    read, write = os.pipe()
    wire.send(write, {}, b"\0" * 4 * N)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        return file.read()


def answers(ask: int, answer: int) -> None:
    wire.receive(ask, 1 << 20)
    os.write(answer, message())


def says_nothing(ask: int, answer: int) -> None:
    wire.receive(ask, 1 << 20)


def reads_nothing(ask: int, answer: int) -> None:
    pass


def one_byte(ask: int, answer: int) -> None:
    wire.receive(ask, 1 << 20)
    os.write(answer, message()[:1])


def all_but_the_last_byte(ask: int, answer: int) -> None:
    wire.receive(ask, 1 << 20)
    os.write(answer, message()[:-1])


def a_byte_now_and_then(ask: int, answer: int) -> None:
    """Never silent for as long as an answer may take."""
    wire.receive(ask, 1 << 20)
    with contextlib.suppress(OSError):
        for byte in message():
            os.write(answer, bytes([byte]))
            time.sleep(WALL_S / 4)


def test_an_answer_in_time_is_taken() -> None:
    with opposite(answers) as candidate:
        assert torch.equal(asked(candidate), torch.zeros(N))


@pytest.mark.parametrize("behave", [one_byte, all_but_the_last_byte, a_byte_now_and_then])
def test_an_answer_that_is_begun_and_not_finished_is_wrong(behave: Callable[[int, int], None]) -> None:
    began = time.monotonic()
    with opposite(behave) as candidate, pytest.raises(WrongAnswer, match=r"begun and not finished in 0.4 s"):
        asked(candidate)
    assert time.monotonic() - began < 10 * WALL_S


@pytest.mark.parametrize(("behave", "count"), [(says_nothing, N), (reads_nothing, N), (reads_nothing, 100_000)])
def test_silence_is_the_machines_fault(behave: Callable[[int, int], None], count: int) -> None:
    """At 100,000 the question does not fit into the pipe, so that asking would wait too."""
    with opposite(behave) as candidate, pytest.raises(NoAnswer, match=r"no answer within 0.4 s"):
        asked(candidate, count)


@pytest.mark.slow
def test_a_loss_that_sends_one_byte_and_hangs_is_wrong(tmp_path: Path) -> None:
    statement = "import os, time; os.write(4, b'x'); time.sleep(900)"
    (tmp_path / "loss.py").write_text(in_training(statement).replace("(16, 8)", "(8, 3)"))
    candidate = CandidateProcess(str(tmp_path / "loss.py"), wall_s=60.0)
    try:
        worth = asked(candidate)
        logps = torch.full((N, 3), -1.0, requires_grad=True)
        with pytest.raises(WrongAnswer, match="loss: an answer was begun and not finished in 60 s"):
            candidate.policy_loss(logps, logps.detach(), None, worth, torch.ones(N, 3), context())
    finally:
        candidate.close()
