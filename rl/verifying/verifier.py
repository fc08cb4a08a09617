"""The trusted side: starts the process that compares answers, asks it, and ends it where an answer costs too much.

An answer that needs more CPU time or memory than allowed, or that makes math-verify crash, is not right: a model must
not gain by writing what cannot be checked. Where the machine is to blame (the process does not start, is killed by
somebody else, or waits without computing), VerifierFault is raised and nothing becomes a reward.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from cognition.records import MachineFault

ROOT = Path(__file__).parents[2]
START_S = 120.0
LONGEST_TEXT = 20_000  # characters from the end of a completion; the answer stands there
LONGEST_LINE = 4_096


class VerifierFault(MachineFault):
    """Answers cannot be compared here, or a right answer cannot be read; the message says which."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an answer is right, and in words if it was not compared."""

    right: bool
    why: str = ""


class Verifier:
    """One process at a time. Not for several threads."""

    def __init__(self, cpu_s: int = 2, memory_mb: int = 2048, wall_s: float = 60.0) -> None:
        self.cpu_s, self.memory_mb, self.wall_s = cpu_s, memory_mb, wall_s
        self._process: subprocess.Popen[bytes] | None = None

    def judge(self, gold: str, text: str) -> Verdict:
        """Whether a completion ends in the right answer. Raises VerifierFault."""
        for is_last in (False, True):
            process = self._running()
            try:
                _send(process, {"gold": gold, "text": text[-LONGEST_TEXT:]})
                return _verdict(_answer(process, self.wall_s), gold)
            except _Ended:
                self._process = None
                verdict = _blame(process)
            except _Silent:
                is_computing = psutil.Process(process.pid).cpu_times().user > 0.5 * self.wall_s
                self.close()
                verdict = Verdict(False, "CPU time") if is_computing else None
            if verdict is not None:
                return verdict
            if is_last:
                raise VerifierFault("the process that compares answers was stopped twice by something else")
        raise AssertionError

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            started = _started(self.cpu_s, self.memory_mb)
            try:
                _answer(started, START_S)
            except (_Ended, _Silent):
                started.kill()
                said = started.communicate()[1].decode(errors="replace").strip().splitlines() or ["it said nothing"]
                raise VerifierFault(
                    f"math-verify does not start ({said[-1][:200]}): pip install -c constraints.txt 'nightshift[rl]'"
                ) from None
            self._process = started
        return self._process


class _Ended(Exception):
    """The process has gone."""


class _Silent(Exception):
    """No answer within the wall time."""


def _started(cpu_s: int, memory_mb: int) -> subprocess.Popen[bytes]:
    """With nothing of our environment, and no folder of ours to begin with."""
    path = [str(ROOT), *(entry for entry in sys.path if entry)]
    start = f"import sys; sys.path[:] = {path!r}; from rl.verifying.process import main; main()"
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", start, str(memory_mb << 20), str(cpu_s)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", start_new_session=True,
        env={"OMP_NUM_THREADS": "1", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"},
    )  # fmt: skip


def _send(process: subprocess.Popen[bytes], question: dict[str, str]) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
    except OSError:
        raise _Ended from None


def _answer(process: subprocess.Popen[bytes], wall_s: float) -> dict[str, Any]:
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], wall_s)
        if not ready:
            raise _Silent
        part = os.read(process.stdout.fileno(), LONGEST_LINE)
        if not part:
            raise _Ended
        line += part
    answer: dict[str, Any] = json.loads(line)
    return answer


def _verdict(answer: dict[str, Any], gold: str) -> Verdict:
    if "error" in answer:
        raise VerifierFault(f"{answer['error']}: {gold[:100]!r}; correct the data set")
    return Verdict(answer["right"], answer["why"])


def _blame(process: subprocess.Popen[bytes]) -> Verdict | None:
    """A verdict where the answer is to blame for the end; None where something else is."""
    process.communicate()
    if process.returncode == -signal.SIGXCPU:
        return Verdict(False, "CPU time")
    is_crash = process.returncode in (1, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE)
    return Verdict(False, "crash") if is_crash else None
