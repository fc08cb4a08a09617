"""Is a process still the one that wrote its number down? Numbers are used again, and clocks are set.

On Linux a process is known by when it started in ticks since boot, which no clock change moves; psutil's `create_time`
adds the time of boot, which follows the clock.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def started(pid: int) -> float | None:
    """When the process started, in seconds since boot (elsewhere since 1970); None if it is gone or a zombie."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _created(pid)
    return None if after_name[0] in "ZX" else int(after_name[19]) / os.sysconf("SC_CLK_TCK")


def _created(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def is_same(pid: int, then: float) -> bool:
    """Whether the process that started `then` is still there."""
    now = started(pid)
    return now is not None and abs(now - then) < 0.05


def own() -> float:
    """When this process started."""
    found = started(os.getpid())
    assert found is not None
    return found
