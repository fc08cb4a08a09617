"""The zygote: a warm process inside the sandbox that imports the libraries once and forks one supervisor per job.

It never runs candidate code itself and never sees a job: each job gets a socket, an answer pipe, stdout and stderr from
the engine, and everything else goes through that socket (supervisor.py). One job at a time. It ends when the engine
closes the control socket or dies.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import sys
import tempfile
import traceback
from dataclasses import dataclass

from . import kernel, supervisor

READY, IDLE, NO_FORK = b"R", b"I", b"E"
DESCRIPTORS_PER_JOB = 4


@dataclass(frozen=True, slots=True)
class Settings:
    """How the engine started this zygote. The engine writes them as JSON into the first argument."""

    control_fd: int
    preload: tuple[str, ...]
    namespaces: bool  # give each job its own process and mount namespace
    landlock: bool
    seccomp: bool
    uid: int | None  # what a candidate's user id becomes; None: it stays what it is
    parent_folder: str  # what was put on sys.path to find this package; candidates do not need it


def main() -> None:
    """Import, report ready, serve jobs until the control socket closes."""
    settings = Settings(**json.loads(sys.argv[1]))
    sys.path.remove(settings.parent_folder)
    _preload(settings.preload)
    with socket.socket(fileno=settings.control_fd) as control:
        gc.collect()
        gc.freeze()  # children share these pages for longer if the collector never touches them
        control.sendall(READY)
        while _serve_one(control, settings):
            pass


def _preload(modules: tuple[str, ...]) -> None:
    """Import what candidates share. Some libraries ask for the temporary folder, which only jobs have."""
    tempfile.tempdir = os.environ["TMPDIR"]
    for name in modules:
        importlib.import_module(name)
    tempfile.tempdir = None  # each job looks for itself


def _serve_one(control: socket.socket, settings: Settings) -> bool:
    message, descriptors, _, _ = socket.recv_fds(control, 1, DESCRIPTORS_PER_JOB)
    if not message:
        return False
    try:
        pid = os.fork()
    except OSError:
        _close(descriptors)
        control.sendall(NO_FORK)
        return True
    if pid == 0:
        _become_job(control, settings, descriptors)
    _close(descriptors)
    _reap(pid)
    control.sendall(IDLE)
    return True


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _reap(pid: int) -> None:
    """Wait for the job; as process 1 of a namespace, also for whatever falls to us."""
    while os.wait()[0] != pid:
        pass


def _become_job(control: socket.socket, settings: Settings, descriptors: list[int]) -> None:
    """Never returns. With namespaces, an intermediate process waits, since the next fork becomes process 1."""
    try:
        control.close()
        if settings.namespaces:
            kernel.unshare(kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC)
            inner = os.fork()
            if inner:
                _close(descriptors)
                os.waitpid(inner, 0)
                os._exit(0)
        supervisor.supervise(settings, *descriptors)
    except BaseException:  # noqa: BLE001 - the edge of a forked process: it must not return into the zygote's loop
        traceback.print_exc()
    os._exit(1)
