"""From how a job ended to what it means: an answer, a typed failure of the candidate, or a fault of the machine. Pure.

A fault of the machine is retried for ever, so a candidate must not be able to bring one about. Wherever both could be
to blame, the candidate is.
"""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass, field

from cognition.records import JSON, Cost, Failure, FailureKind
from tasks.sandbox import answer
from tasks.sandbox.handle import Finished, HostOverloaded, Limits

TAIL_CHARACTERS = 4000
OUTPUT_CHARACTERS = 16_000
REPORT_SPARE = 8192  # an error report may be larger than a tiny limit of the answer
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(slots=True)
class Ending:
    """What the engine saw of one job."""

    stopped: FailureKind | None = None  # the limit for which the engine ended it
    wall_used_up: bool = False
    status: int | None = None  # as from wait(); None if it was stopped
    report: bytes = b""
    stdout: bytes = b""
    stderr: bytes = b""
    cost: Cost = field(default_factory=Cost)
    processes: int = 0
    run_delay_s: float = 0.0
    blocked_s: float = 0.0
    memory_killed: bool = False  # the kernel killed in the job's own cgroup
    host_out_of_memory: bool = False  # the kernel killed somewhere, and not in a cgroup of ours
    disk_full: bool = False


def judge(ending: Ending, limits: Limits, tier: str) -> Finished | Failure:
    """The result of a run. Raises HostOverloaded if the host is to blame."""
    if ending.wall_used_up:
        return _judge_wall(ending, limits)
    if ending.memory_killed:
        return _failure(ending, FailureKind.MEMORY, f"used more than {limits.memory_mb} MB")
    if ending.stopped is not None:
        return _failure(ending, ending.stopped, _limit_text(ending.stopped, limits))
    if ending.status is None:
        _blame_host_memory(ending, limits)
        return _failure(ending, FailureKind.CRASH, "its processes ended without a trace")
    if os.WIFSIGNALED(ending.status):
        return _judge_signal(ending, os.WTERMSIG(ending.status), limits)
    if code := os.WEXITSTATUS(ending.status):
        return _judge_silence(ending, limits, f"exited with code {code}")
    if not ending.report:
        return _judge_silence(ending, limits, "exited without an answer")
    return _judge_report(ending, limits, tier)


def _judge_wall(ending: Ending, limits: Limits) -> Failure:
    """All wall time gone: was it busy, asleep, or kept waiting by the host?"""
    wall_s = ending.cost.wall_s
    if ending.cost.cpu_s >= wall_s / 2:
        return _failure(ending, FailureKind.CPU_TIME, f"computed for all of its {limits.wall_s:g} s of wall time")
    waited_s = ending.run_delay_s + ending.blocked_s
    if waited_s > wall_s / 2:
        raise HostOverloaded(
            f"the host kept a candidate waiting for {waited_s:.1f} of {wall_s:.1f} s (CPU {ending.run_delay_s:.1f} s, "
            f"disk {ending.blocked_s:.1f} s); run fewer things at once"
        )
    used = f"{ending.cost.cpu_s:.2f} s of CPU time in {wall_s:.1f} s"
    return _failure(ending, FailureKind.IDLE, f"slept until its wall time of {limits.wall_s:g} s was over: used {used}")


def _limit_text(kind: FailureKind, limits: Limits) -> str:
    texts = {
        FailureKind.CPU_TIME: f"used more than {limits.cpu_s:g} s of CPU time",
        FailureKind.MEMORY: f"used more than {limits.memory_mb} MB of memory",
        FailureKind.PROCESSES: f"started more than {limits.processes} process(es) or thread(s), itself included",
        FailureKind.DISK: f"wrote more than {max(limits.disk_mb, limits.work_mb)} MB, or too many files",
        FailureKind.OUTPUT: f"printed more than {limits.output_kb} KB",
        FailureKind.INVALID: f"answered with more than {limits.answer_kb} KB and {limits.files_mb} MB of files",
    }
    return texts[kind]


def _judge_signal(ending: Ending, number: int, limits: Limits) -> Failure:
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGSYS:
        return _failure(ending, FailureKind.PROCESSES, _limit_text(FailureKind.PROCESSES, limits))
    if number == signal.SIGXCPU or (number == signal.SIGKILL and ending.cost.cpu_s >= limits.cpu_s):
        return _failure(ending, FailureKind.CPU_TIME, _limit_text(FailureKind.CPU_TIME, limits))
    if number == signal.SIGKILL:
        _blame_host_memory(ending, limits)
    return _judge_silence(ending, limits, f"was ended by {name}")


def _blame_host_memory(ending: Ending, limits: Limits) -> None:
    """Raise HostOverloaded if the kernel had to make room and this job was not the one that took it."""
    peak_mb = ending.cost.peak_memory_mb
    if ending.host_out_of_memory and peak_mb < limits.memory_mb / 2:
        raise HostOverloaded(f"the host ran out of memory and killed a job at {peak_mb:.0f} of {limits.memory_mb} MB")


def _judge_silence(ending: Ending, limits: Limits, reason: str) -> Failure:
    """It ended without a report. A full disk explains more than a signal does."""
    if ending.disk_full:
        return _failure(ending, FailureKind.DISK, _limit_text(FailureKind.DISK, limits))
    return _failure(ending, FailureKind.CRASH, reason)


def _judge_report(ending: Ending, limits: Limits, tier: str) -> Finished | Failure:
    head, content = answer.split(ending.report)
    if len(head) > limits.answer_kb * 1024 + REPORT_SPARE or len(content) > limits.files_mb * 2**20:
        return _failure(ending, FailureKind.INVALID, _limit_text(FailureKind.INVALID, limits))
    try:
        report = answer.parse(head)
        files = answer.files(report.get("files", []) if isinstance(report, dict) else [], content)
    except answer.Unfit as error:
        return _failure(ending, FailureKind.INVALID, f"its answer is not acceptable: {error}")
    if not isinstance(report, dict):
        return _failure(ending, FailureKind.INVALID, "its answer is not acceptable: not a report")
    if "answer" in report:
        out, err = _tail(ending.stdout, OUTPUT_CHARACTERS), _tail(ending.stderr, OUTPUT_CHARACTERS)
        return Finished(report["answer"], out, err, ending.cost, tier, files)
    if "unfit" in report:
        return _failure(ending, FailureKind.INVALID, f"its answer is not acceptable: {report['unfit']}")
    return _judge_exception(ending, limits, report)


def _judge_exception(ending: Ending, limits: Limits, report: dict[str, JSON]) -> Failure:
    """The candidate may have written this report itself; it can only choose between kinds of its own failure."""
    name, number = str(report.get("error"))[:100], report.get("errno")
    trace = str(report.get("trace"))[-TAIL_CHARACTERS:]
    reason = f"{name}: {str(report.get('message'))[:300]}"
    kind = FailureKind.CRASH
    if name == "MemoryError" or number == errno.ENOMEM:
        kind, reason = FailureKind.MEMORY, _limit_text(FailureKind.MEMORY, limits)
    elif number in DISK_ERRORS or ending.disk_full:
        kind, reason = FailureKind.DISK, _limit_text(FailureKind.DISK, limits)
    elif number == errno.EAGAIN or "can't start new thread" in reason:
        kind, reason = FailureKind.PROCESSES, _limit_text(FailureKind.PROCESSES, limits)
    return Failure(kind, reason, trace)


def _failure(ending: Ending, kind: FailureKind, reason: str) -> Failure:
    return Failure(kind, reason, _tail(ending.stderr, TAIL_CHARACTERS))


def _tail(raw: bytes, characters: int) -> str:
    return answer.text(raw)[-characters:]
