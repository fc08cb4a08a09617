"""The candidate's process: locks itself down, calls the domain's adapter, writes the report. The last trusted lines.

After `_lock_down` the process can no longer do harm, so the adapter and the candidate may do what they like in it, also
to this module. Whatever it reports is a claim: the engine parses it with suspicion and the domain verifies it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

from . import counted, kernel, landlock, seccomp

if TYPE_CHECKING:
    from .zygote import Settings

REPORT_FD = 3
TRACE_CHARACTERS = 4000
OPEN_FILES, OPEN_FILES_WITH_GPUS = 256, 4096
IGNORED_BY_SUPERVISOR = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(settings: Settings, job: dict[str, Any], scratch: str, descriptors: tuple[int, int, int]) -> NoReturn:
    """Become the candidate. Never returns."""
    code = 1
    try:
        _redirect(*descriptors)
        faulthandler.enable()  # a crash in C leaves a trace on stderr
        _lock_down(settings, job, scratch)
        report = _call(job, f"{scratch}/candidate.py")
        _flush()
        _write(report)
        code = 0
    except BaseException:  # noqa: BLE001 - the edge of a forked process: it must not return into the supervisor
        traceback.print_exc()
        _flush()
    finally:
        os._exit(code)


def _redirect(answer_fd: int, stdout_fd: int, stderr_fd: int) -> None:
    """Descriptors 0 to 3 are /dev/null, stdout, stderr and the report; all others are closed."""
    null_fd = os.open("/dev/null", os.O_RDONLY)
    wanted = (null_fd, stdout_fd, stderr_fd, answer_fd)
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 16) for descriptor in wanted]  # out of the way of 0 to 3
    for target, source in enumerate(high):
        os.dup2(source, target)
    kernel.close_from(REPORT_FD + 1)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a descriptor, for the life of the process
    sys.stdout, sys.stderr = (
        open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        for number in (1, 2)
    )


def _lock_down(settings: Settings, job: dict[str, Any], scratch: str) -> None:
    """The order matters: processors, user id, death with the supervisor, limits, privileges, files, system calls."""
    os.chdir(scratch)
    os.environ.update(HOME=scratch, TMPDIR=scratch)
    if job["has_gpus"]:
        os.environ.update(TRITON_CACHE_DIR=f"{scratch}/triton", TORCHINDUCTOR_CACHE_DIR=f"{scratch}/inductor")
    os.setsid()
    for number in IGNORED_BY_SUPERVISOR:
        signal.signal(number, signal.SIG_DFL)
    os.sched_setaffinity(0, job["cpus"])  # libraries start as many threads as they see processors
    kernel.bound_capabilities()
    if settings.uid is not None:
        os.setgroups([])
        os.setresgid(settings.uid, settings.uid, settings.uid)
        os.setresuid(settings.uid, settings.uid, settings.uid)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    _limit(job)
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    version = landlock.version() if settings.landlock else None
    if version is not None:
        landlock.restrict(job["readable"], [*job["writable"], scratch], version)
    if settings.seccomp:
        scoped = settings.namespaces or (version or 0) >= landlock.SIGNAL_SCOPE_VERSION
        own_pid = None if scoped else os.getpid()
        seccomp.install(seccomp.build(job["processes"], own_pid, version, loopback=job["loopback"]))


def _limit(job: dict[str, Any]) -> None:
    """Limits per process, the second line behind the engine's limits on the whole tree.

    CUDA reserves address space as large as all memories together and pins pages: there the engine's watch is alone.
    """
    cpu_s = int(job["cpu_s"]) + 2
    limits = {
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: job["file_bytes"],
        resource.RLIMIT_NOFILE: OPEN_FILES_WITH_GPUS if job["has_gpus"] else OPEN_FILES,
        resource.RLIMIT_NPROC: job["process_ceiling"],
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: 256,
    }
    if not job["has_gpus"]:
        limits |= {resource.RLIMIT_DATA: job["data_bytes"], resource.RLIMIT_MEMLOCK: 0}
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))


def _call(job: dict[str, Any], candidate: str) -> bytes:
    """The report: the adapter's answer, or what went wrong."""
    to_json, files = json.dumps, dict[str, bytes]()  # taken before the candidate can replace it
    try:
        _reseed()
        sys.path.insert(0, job["adapter"])
        if job["tick_s"] > 0:
            counted.install(job["tick_s"])
        module, _, function = job["entry"].partition(":")
        answer = getattr(importlib.import_module(module), function)(candidate, job["request"])
        if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], dict):
            answer, files = answer[0], {str(name): bytes(content) for name, content in answer[1].items()}
    except BaseException as error:  # noqa: BLE001 - a candidate may raise anything, SystemExit included
        number = error.errno if isinstance(error, OSError) else None
        text = "".join(traceback.format_exception(error))[-TRACE_CHARACTERS:]
        failed = {
            "error": type(error).__name__,
            "message": _clean(str(error)[:1000]),
            "errno": number,
            "trace": _clean(text),
        }
        return to_json(failed).encode()
    try:
        sizes = [[name, len(content)] for name, content in files.items()]
        head = to_json({"answer": answer, "files": sizes} if sizes else {"answer": answer}, allow_nan=False)
        return b"".join((head.encode(), b"\n", *files.values())) if sizes else head.encode()
    except (TypeError, ValueError, RecursionError) as error:
        return to_json({"unfit": f"{type(error).__name__}: {error}"[:1000]}).encode()


def _clean(text: str) -> str:
    """Text that any store accepts."""
    return text.encode("utf-8", "replace").decode().replace("\0", "�")


def _reseed() -> None:
    """Imported once for all jobs, numpy would hand each of them the same random numbers."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and "numpy.random" in sys.modules:
        numpy.random.seed()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the candidate may have put anything here
            stream.flush()


def _write(report: bytes) -> None:
    view = memoryview(report)
    while view:
        view = view[os.write(REPORT_FD, view) :]
