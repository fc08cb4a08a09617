"""One job on one zygote: hand it over, watch it from outside, end it at its limits, collect what it left.

The engine's side of inside/supervisor.py. Everything here assumes that the candidate's end of a pipe is hostile: reads
never block, are bounded, and end with the process, not with the pipe.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from cognition.records import Cost, FailureKind, MachineFault
from tasks.sandbox import cgroup, scratch, tiers
from tasks.sandbox.handle import Job
from tasks.sandbox.inside import proctree
from tasks.sandbox.usage import Usage, status_mb
from tasks.sandbox.verdict import REPORT_SPARE, Ending
from tasks.sandbox.zygotes import Zygote, ZygoteDied

HELLO_TIMEOUT_S = 60.0
SEND_TIMEOUT_S = 60.0
SHORTEST_POLL_S, LONGEST_POLL_S, POLLS_PER_AGE = 0.005, 0.05, 20  # often at first, then every 5% of the job's age
DISK_POLL_EVERY = 4  # walking a folder costs more than reading /proc
CHUNK = 65536
FILES_PER_MB, FEWEST_FILES = 64, 1024
SPARE_PROCESSES = 16  # between the limit and the kernel's, so that going over can be seen
CREDENTIALS = struct.Struct("3i")


def run_job(zygote: Zygote, job: Job, folder: Path | None) -> Ending:
    """Run to the end; `folder` is the private scratch, if the tier mounts none. Raises ZygoteDied or MachineFault."""
    with contextlib.ExitStack() as stack:
        ours, theirs = _channels(stack)
        zygote.submit([descriptor.fileno() for descriptor in theirs])
        for descriptor in theirs:
            descriptor.close()
        connection = ours[0]
        supervisor = _hello(connection, zygote)
        supervisor_fd = os.pidfd_open(supervisor)
        stack.callback(os.close, supervisor_fd)
        group = stack.enter_context(_memory_group(job.limits.memory_mb, supervisor))
        watch = _Watch(job, folder, supervisor, supervisor_fd, zygote.tier.namespaces, group)
        try:
            _send(connection, _message(zygote, job, folder, supervisor))
            ending = watch.until_end(ours)
        finally:
            watch.kill()
        zygote.wait_idle()
        watch.drain()
        _finish(ending, watch, group)
        return ending


class _Channel:
    """One end of a pipe or socket that is closed at most once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _channels(stack: contextlib.ExitStack) -> tuple[tuple[socket.socket, _Channel, _Channel, _Channel], list[_Channel]]:
    """Our ends (connection, report, stdout, stderr) and theirs, in the same order."""
    connection, other = socket.socketpair()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    stack.callback(connection.close)
    pipes = []
    theirs = [_Channel(other.detach())]
    for _ in range(3):
        read_fd, write_fd = os.pipe()
        os.set_blocking(read_fd, False)
        pipes.append(_Channel(read_fd))
        theirs.append(_Channel(write_fd))
    for channel in (*pipes, *theirs):
        stack.callback(channel.close)
    return (connection, pipes[0], pipes[1], pipes[2]), theirs


def _hello(connection: socket.socket, zygote: Zygote) -> int:
    """The supervisor's process id as we see it, vouched for by the kernel."""
    connection.settimeout(HELLO_TIMEOUT_S)
    try:
        message, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(CREDENTIALS.size))
    except OSError as error:
        raise ZygoteDied(f"no job starts: {error}") from error
    if not message:
        zygote.wait_idle()  # says so if it could not fork
        raise MachineFault("the sandbox's supervisor could not start: no namespace, no memory or no process left")
    return int(CREDENTIALS.unpack(ancillary[0][2][: CREDENTIALS.size])[0])


@contextlib.contextmanager
def _memory_group(memory_mb: int, supervisor: int) -> Iterator[cgroup.MemoryCgroup | None]:
    """A cgroup around the job where we may make one."""
    group = cgroup.create(memory_mb)
    if group is None:
        yield None
        return
    try:
        group.add(supervisor)
    except OSError:
        group.remove()
        yield None
        return
    try:
        yield group
    finally:
        group.remove()


def _message(zygote: Zygote, job: Job, folder: Path | None, supervisor: int) -> bytes:
    limits = job.limits
    body = {
        "code": job.code,
        "adapter": str(job.adapter),
        "entry": job.entry,
        "request": job.request,
        "scratch": str(folder),
        "readable": [*zygote.readable, *tiers.READABLE_DEVICES],
        "writable": [*tiers.WRITABLE_DEVICES, *([] if job.work is None else [str(job.work)])],
        "loopback": job.loopback,
        "has_gpus": job.gpus > 0,
        "cpu_s": limits.cpu_s,
        "tick_s": job.tick_s,
        "data_bytes": int((limits.memory_mb + status_mb(supervisor).get("VmData", 0.0)) * 2**20),
        "disk_bytes": limits.disk_mb * 2**20,
        "file_bytes": max(limits.disk_mb, limits.work_mb) * 2**20,
        "files": most_files(limits.disk_mb),
        "processes": limits.processes,
        "cpus": _processors(zygote.index, limits.processes),
        "process_ceiling": _process_ceiling(zygote, limits.processes),
    }
    content = json.dumps(body).encode()
    return struct.pack("!Q", len(content)) + content


def most_files(disk_mb: int) -> int:
    """How many files and folders a scratch may hold."""
    return max(FEWEST_FILES, FILES_PER_MB * disk_mb)


def _processors(index: int, count: int) -> list[int]:
    """As many processors as the job may have threads, others for each zygote and, by chance, for each engine.

    Seeing more, HiGHS behind scipy's linprog starts a thread for every second one, which would be one too many.
    """
    allowed = sorted(os.sched_getaffinity(0))
    first = os.getpid() + index * count
    return [allowed[(first + offset) % len(allowed)] for offset in range(min(count, len(allowed)))]


def _process_ceiling(zygote: Zygote, processes: int) -> int:
    """RLIMIT_NPROC. It counts per user: in a namespace of its own or under a uid of its own that is the job alone."""
    if zygote.tier.namespaces or zygote.uid is not None:
        return processes + SPARE_PROCESSES
    if zygote.tier.seccomp and processes == 1:
        return 1 << 20  # the filter allows none at all
    return processes + SPARE_PROCESSES + _my_processes()


def _my_processes() -> int:
    """Processes and threads of our user on this machine."""
    total = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                total += len(list((entry / "task").iterdir()))
    return total


def _send(connection: socket.socket, message: bytes) -> None:
    connection.settimeout(SEND_TIMEOUT_S)
    try:
        connection.sendall(message)
    except OSError as error:
        raise ZygoteDied(f"the supervisor takes no job: {error}") from error
    connection.setblocking(False)


class _Watch:
    """Reads the job's pipes and looks at its processes until it ends or has to be ended."""

    def __init__(
        self,
        job: Job,
        folder: Path | None,
        supervisor: int,
        supervisor_fd: int,
        namespaces: bool,
        group: cgroup.MemoryCgroup | None,
    ) -> None:
        self._limits, self._namespaces, self._group = job.limits, namespaces, group
        allowed_mb = ((folder, job.limits.disk_mb), (job.work, job.limits.work_mb))
        self._folders = [(path, size_mb) for path, size_mb in allowed_mb if path is not None]
        self._supervisor, self._supervisor_fd = supervisor, supervisor_fd
        self.usage = Usage(supervisor, status_mb(supervisor).get("RssAnon", 0.0))
        self._status, self._report, self._stdout, self._stderr = bytearray(), bytearray(), bytearray(), bytearray()
        self._pipes: dict[int, bytearray] = {}
        self._selector = selectors.DefaultSelector()
        self._started_s = time.monotonic()
        self._oom_kills = _host_oom_kills()
        self._ending = Ending()

    def until_end(self, ours: tuple[socket.socket, _Channel, _Channel, _Channel]) -> Ending:
        """Watch until the supervisor has reported or a limit is reached."""
        buffers = (self._status, self._report, self._stdout, self._stderr)
        for number, buffer in zip([channel.fileno() for channel in ours], buffers, strict=True):
            self._pipes[number] = buffer
            self._selector.register(number, selectors.EVENT_READ)
        connection_fd, polls, next_s = ours[0].fileno(), 0, self._started_s
        while not self._over(connection_fd):
            now_s = time.monotonic()
            if now_s >= next_s:
                self._look(now_s, polls)
                polls += 1
                age_s = time.monotonic() - self._started_s
                next_s = time.monotonic() + min(LONGEST_POLL_S, max(SHORTEST_POLL_S, age_s / POLLS_PER_AGE))
            else:
                self._read(next_s - now_s)
        self._ending.cost = Cost(wall_s=time.monotonic() - self._started_s)
        return self._ending

    def drain(self) -> None:
        """Read what is left in the pipes, within the limits."""
        while self._pipes and self._stopped_by_reading() is None and self._read(0):
            pass
        self._ending.stopped = self._ending.stopped or self._stopped_by_reading()
        if self._status:
            ended = json.loads(self._status)
            if "fault" in ended:
                raise MachineFault(f"the sandbox could not prepare a job: {ended['fault']}")
            self._ending.status, self._ending.disk_full = ended["status"], ended["disk_full"]
            self.usage.cpu_s = max(self.usage.cpu_s, ended["cpu_s"])
        self._selector.close()

    def kill(self) -> None:
        """End the supervisor and everything below it. Killing process 1 of a namespace does both at once."""
        if not self._namespaces:
            proctree.kill_descendants(self._supervisor)
        with contextlib.suppress(ProcessLookupError):
            if not self._namespaces and self._status:
                return  # it reported, and it leaves by itself
            signal.pidfd_send_signal(self._supervisor_fd, signal.SIGKILL)

    def collect(self, ending: Ending) -> None:
        """Copy what was read and measured."""
        ending.report, ending.stdout, ending.stderr = bytes(self._report), bytes(self._stdout), bytes(self._stderr)
        ending.processes, ending.run_delay_s = self.usage.processes, self.usage.run_delay_s
        ending.blocked_s = self.usage.blocked_s
        ending.host_out_of_memory = _host_oom_kills() > self._oom_kills

    def _over(self, connection_fd: int) -> bool:
        ended = connection_fd not in self._pipes or self._status.endswith(b"\n")
        return ended or self._ending.stopped is not None or self._ending.wall_used_up

    def _look(self, now_s: float, polls: int) -> None:
        """Compare with every limit; the first that is exceeded ends the job."""
        self.usage.sample()
        limits, ending = self._limits, self._ending
        if self.usage.processes > limits.processes:
            ending.stopped = FailureKind.PROCESSES
        elif self.usage.memory_mb > limits.memory_mb or (self._group is not None and self._group.limit_hit()):
            ending.stopped = FailureKind.MEMORY
        elif polls % DISK_POLL_EVERY == 0 and any(_used_up(*folder) for folder in self._folders):
            ending.stopped = FailureKind.DISK
        elif self.usage.cpu_s > limits.cpu_s:
            ending.stopped = FailureKind.CPU_TIME
        elif now_s - self._started_s > limits.wall_s:
            ending.wall_used_up = True

    def _read(self, timeout_s: float) -> bool:
        """Wait for something to read and read it. False if there was nothing."""
        events = self._selector.select(timeout_s)
        for key, _ in events:
            buffer = self._pipes[key.fd]
            try:
                chunk = os.read(key.fd, CHUNK)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                chunk = b""
            buffer += chunk
            if not chunk:
                self._selector.unregister(key.fd)
                del self._pipes[key.fd]
        self._ending.stopped = self._ending.stopped or self._stopped_by_reading()
        return bool(events)

    def _stopped_by_reading(self) -> FailureKind | None:
        if len(self._stdout) + len(self._stderr) > self._limits.output_kb * 1024:
            return FailureKind.OUTPUT
        if len(self._report) > self._limits.answer_kb * 1024 + self._limits.files_mb * 2**20 + REPORT_SPARE:
            return FailureKind.INVALID
        return None


def _used_up(folder: Path, most_mb: int) -> bool:
    most_bytes, files = most_mb * 2**20, most_files(most_mb)
    used_bytes, used_files = scratch.usage(folder, most_bytes, files)
    return used_bytes > most_bytes or used_files > files


def _finish(ending: Ending, watch: _Watch, group: cgroup.MemoryCgroup | None) -> None:
    watch.collect(ending)
    peak_mb = watch.usage.peak_mb
    if group is not None:
        ending.memory_killed = group.limit_hit()
        peak_mb = max(peak_mb, group.peak_mb())
    ending.cost = Cost(watch.usage.cpu_s, ending.cost.wall_s, 0.0, peak_mb)


def _host_oom_kills() -> int:
    for line in proctree.read_proc("/proc/vmstat").splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0
