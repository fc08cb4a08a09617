"""What a running job uses, read from /proc from outside: CPU time, memory, processes, and time lost to the host."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

from tasks.sandbox.inside import proctree

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STATE, UTIME, CSTIME, THREADS = 0, 11, 14, 17  # positions in /proc/PID/stat behind the name


def status_mb(pid: int) -> dict[str, float]:
    """The Rss* and Vm* lines of /proc/PID/status in MB."""
    found = {}
    for line in proctree.read_proc(f"/proc/{pid}/status").splitlines():
        key, _, value = line.partition(":")
        if key.startswith(("Rss", "Vm")):
            found[key] = int(value.split()[0]) / 1024
    return found


@dataclass(slots=True)
class Usage:
    """Running totals of one job. `supervisor` is its root and not counted itself."""

    supervisor: int
    shared_mb: float  # what each process of the job shares with the zygote
    cpu_s: float = 0.0
    memory_mb: float = 0.0
    peak_mb: float = 0.0
    processes: int = 0  # processes and threads alive
    run_delay_s: float = 0.0  # ready to run, but the host ran something else; the worst of the main threads
    blocked_s: float = 0.0  # waiting for the host's disk by the looks of it
    _sampled_at_s: float = field(default_factory=time.monotonic)

    def sample(self) -> None:
        """Look at the whole tree once."""
        now_s = time.monotonic()
        since_s, self._sampled_at_s = now_s - self._sampled_at_s, now_s
        pids = proctree.descendants(self.supervisor)
        cpu_s = _reaped_cpu_s(self.supervisor)
        memory_mb, largest_shared_mb, processes, blocked = 0.0, 0.0, 0, False
        for pid in pids:
            fields = _stat(pid)
            if not fields:
                continue
            cpu_s += sum(int(ticks) for ticks in fields[UTIME : CSTIME + 1]) / TICKS_PER_S
            self.run_delay_s = max(self.run_delay_s, _run_delay_s(pid))
            if fields[STATE] in ("Z", "X"):
                continue
            processes += int(fields[THREADS])
            # vfork makes the parent look blocked, so only a process without children can blame the host
            blocked = blocked or (fields[STATE] == "D" and not proctree.children(pid))
            sizes = status_mb(pid)
            memory_mb += max(0.0, sizes.get("RssAnon", 0.0) + sizes.get("VmSwap", 0.0) - self.shared_mb)
            largest_shared_mb = max(largest_shared_mb, sizes.get("RssShmem", 0.0))
        self.cpu_s = max(self.cpu_s, cpu_s)
        self.memory_mb = memory_mb + largest_shared_mb
        self.peak_mb = max(self.peak_mb, self.memory_mb)
        self.processes = processes
        self.blocked_s += since_s if blocked else 0.0


def _stat(pid: int) -> list[str]:
    return proctree.read_proc(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _reaped_cpu_s(pid: int) -> float:
    """CPU time of the children that a process has already waited for."""
    fields = _stat(pid)
    return sum(int(ticks) for ticks in fields[UTIME + 2 : CSTIME + 1]) / TICKS_PER_S if fields else 0.0


def _run_delay_s(pid: int) -> float:
    fields = proctree.read_proc(f"/proc/{pid}/schedstat").split()
    return int(fields[1]) / 1e9 if len(fields) > 1 else 0.0
