"""The supervisor of one job: prepares the scratch, forks the candidate, reports how it ended, leaves nothing running.

It is the process that orphans fall to (process 1 of the job's namespace, or a subreaper). It trusts the engine's socket
and reads nothing that the candidate writes. If the engine goes away, it ends the job.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import kernel, proctree, program

if TYPE_CHECKING:
    from .zygote import Settings

HELLO = b"H"
LENGTH = struct.Struct("!Q")
NAMESPACE_SCRATCH = "/scratch"
SHARED_MEMORY = "/dev/shm"
SPARE_BYTES = 256 * 1024  # room for the folders and the rounding of a small scratch


def supervise(settings: Settings, connection_fd: int, answer_fd: int, stdout_fd: int, stderr_fd: int) -> None:
    """Run one job to its end and exit the process."""
    for number in program.IGNORED_BY_SUPERVISOR:
        signal.signal(number, signal.SIG_IGN)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    with socket.socket(fileno=connection_fd) as connection:
        connection.sendall(HELLO)  # the kernel adds our process id as the engine sees it
        job = json.loads(_receive(connection, LENGTH.unpack(_receive(connection, LENGTH.size))[0]))
        try:
            scratch = _prepare_scratch(settings, job)
            child = os.fork()
        except OSError as error:  # before any line of the candidate: never its doing
            connection.sendall(json.dumps({"fault": str(error)}).encode() + b"\n")
            os._exit(1)
        if child == 0:
            connection.detach()
            program.run(settings, job, scratch, (answer_fd, stdout_fd, stderr_fd))
        for descriptor in (answer_fd, stdout_fd, stderr_fd):
            os.close(descriptor)
        ended = _wait(child, connection)
        if not settings.namespaces:
            proctree.kill_descendants(os.getpid())
        if ended is not None:
            report = {**ended, "disk_full": settings.namespaces and _is_full(scratch)}
            connection.sendall(json.dumps(report).encode() + b"\n")
    os._exit(0)


def _receive(connection: socket.socket, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        chunk = connection.recv(min(size - len(content), 1 << 20))
        if not chunk:
            os._exit(0)  # the engine has gone: there is no job
        content += chunk
    return bytes(content)


def _prepare_scratch(settings: Settings, job: dict[str, Any]) -> str:
    """The folder the candidate works in: a tmpfs of the allowed size, or the private folder the engine made."""
    code = job["code"].encode("utf-8", "surrogatepass")
    scratch = str(job["scratch"])
    if settings.namespaces:
        scratch = NAMESPACE_SCRATCH
        size = job["disk_bytes"] + len(code) + SPARE_BYTES
        kernel.mount_tmpfs(scratch, size, job["files"])
        if job["has_gpus"]:  # NCCL and torch hand tensors on there
            kernel.mount_tmpfs(SHARED_MEMORY, job["disk_bytes"], job["files"])
    Path(scratch, "candidate.py").write_bytes(code)
    return scratch


def _wait(child: int, connection: socket.socket) -> dict[str, Any] | None:
    """How the candidate ended, or None if the engine went away first."""
    child_fd = os.pidfd_open(child)
    poller = select.poll()
    poller.register(child_fd, select.POLLIN)
    poller.register(connection, select.POLLHUP)
    ready = {descriptor for descriptor, _ in poller.poll()}
    if child_fd not in ready:
        return None
    _, status, usage = os.wait4(child, 0)
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = others.ru_utime + others.ru_stime
    return {"status": status, "cpu_s": cpu_s, "peak_kb": usage.ru_maxrss}


def _is_full(scratch: str) -> bool:
    """Whether the scratch has no room or no free file left."""
    state = os.statvfs(scratch)
    return state.f_bavail * state.f_frsize < SPARE_BYTES or state.f_favail == 0
