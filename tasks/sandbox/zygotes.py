"""Starting a zygote in a tier and handing jobs to it. The zygote's side is inside/zygote.py."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cognition.records import MachineFault
from tasks.sandbox import scratch, tiers
from tasks.sandbox.gpus import Share
from tasks.sandbox.inside import proctree
from tasks.sandbox.tiers import INSIDE, Tier

START_TIMEOUT_S = 120.0
IDLE_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 5.0
START = "import sys; sys.path.insert(0, {folder!r}); from inside.zygote import main; main()"
#: All that a candidate finds in its environment, besides HOME and TMPDIR. Numerical libraries stay single-threaded.
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "HOME": "/scratch",
    "TMPDIR": "/scratch",
}


class ZygoteDied(Exception):
    """The zygote, or the supervisor of a job, ended before it should have."""


@dataclass(frozen=True, slots=True)
class View:
    """What a zygote's file tree holds besides system and Python. Jobs with the same view share zygotes."""

    adapter: Path
    data: tuple[Path, ...] = ()
    work: Path | None = None
    share: Share | None = None  # of the machine's GPUs

    @property
    def is_for_one_job(self) -> bool:
        """What a job can change, or a GPU, is shown to that job alone: its zygote imports nothing and ends with it."""
        return self.work is not None or self.share is not None

    def covers(self, other: View) -> bool:
        """Whether a job that needs `other` can run here: our own adapters are visible everywhere."""
        return self == other or (other.adapter == INSIDE and not other.data)


class Zygote:
    """A warm process in the sandbox. Not thread-safe: one job at a time. Raises MachineFault if it cannot start."""

    def __init__(self, tier: Tier, view: View, preload: tuple[str, ...], scratch_root: Path, index: int) -> None:
        self.tier, self.view, self.index, self.jobs = tier, view, index, 0
        readable = tiers.readable_paths(view.adapter, view.data)
        unmounted = [scratch_root] if view.work is None else [scratch_root, view.work]
        self.uid = tiers.candidate_uid(readable, unmounted, tier)
        if view.work is not None:
            scratch.hand_over(view.work, self.uid)
        self.readable = readable
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the zygote
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = self._start(theirs.fileno(), preload)
        self._await_ready()

    @property
    def pid(self) -> int:
        """The process we started: the zygote itself, or the bubblewrap around it."""
        return self._process.pid

    def submit(self, descriptors: list[int]) -> None:
        """Start a job that gets these descriptors. Raises ZygoteDied."""
        self.jobs += 1
        try:
            socket.send_fds(self._control, [b"J"], descriptors)
        except OSError as error:
            raise ZygoteDied(f"the zygote takes no job: {error}") from error

    def wait_idle(self) -> None:
        """Wait until the job's processes are gone. Raises ZygoteDied; MachineFault if the job never started."""
        self._control.settimeout(IDLE_TIMEOUT_S)
        try:
            answer = self._control.recv(1)
        except OSError as error:  # TimeoutError included
            raise ZygoteDied(f"the zygote does not answer: {error}") from error
        if answer == b"E":
            raise MachineFault("the sandbox's zygote could not fork: the host is out of memory or of processes")
        if answer != b"I":
            raise ZygoteDied(f"the zygote ended: {self._complaint()}")

    def close(self) -> None:
        """End the zygote and everything below it."""
        self._control.close()  # which it takes as the request to leave
        try:
            self._process.wait(CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            proctree.kill_descendants(self._process.pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait(CLOSE_TIMEOUT_S)
        self._errors.close()

    def _start(self, control_fd: int, preload: tuple[str, ...]) -> subprocess.Popen[bytes]:
        settings = {
            "control_fd": control_fd,
            "preload": preload,
            "namespaces": self.tier.namespaces,
            "landlock": self.tier.landlock,
            "seccomp": self.tier.seccomp,
            "uid": self.uid,
            "parent_folder": str(INSIDE.parent),
        }
        python = [sys.executable, "-s", "-P", "-B", "-c", START.format(folder=str(INSIDE.parent)), json.dumps(settings)]
        wrapper = []
        if self.tier.namespaces:
            wrapper = tiers.bubblewrap_command(
                self.readable, as_root=os.geteuid() == 0, work=self.view.work, share=self.view.share
            )
        try:
            return subprocess.Popen(
                [*wrapper, *python],
                env=ENVIRONMENT | (dict(self.view.share.environment) if self.view.share else {}),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=[control_fd],
                start_new_session=True,  # a Ctrl-C at the terminal is ours to handle
            )
        except OSError as error:
            self._control.close()
            raise MachineFault(f"the {self.tier.name} sandbox does not start: {error}") from error

    def _await_ready(self) -> None:
        self._control.settimeout(START_TIMEOUT_S)
        try:
            answer = self._control.recv(1)
        except OSError as error:  # TimeoutError included
            answer = str(error).encode()
        if answer != b"R":
            complaint = self._complaint()
            self.close()
            raise MachineFault(f"the {self.tier.name} sandbox does not start: {complaint}")

    def _complaint(self) -> str:
        """The end of what the zygote wrote to stderr."""
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 2000))
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return " | ".join(lines[-5:]) or f"no message, exit code {self._process.poll()}"
