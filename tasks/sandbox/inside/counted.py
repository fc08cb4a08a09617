"""Clocks that count how often they are asked, so that a search that stops by the time does the same on any machine.

Each question moves the time on by one tick. Only Python's `time` module is counted: who asks the system in another way
(`datetime`, `os.times`, `resource`) sees the real time, and the real limits hold as ever, outside. It is an aid to
candidates that want to repeat themselves and not a wall around those that do not.
"""

from __future__ import annotations

import itertools
import time

_CLOCKS = ("process_time", "thread_time", "perf_counter", "monotonic", "time")


def install(tick_s: float) -> None:
    """In this process, before the candidate is imported."""
    asked = itertools.count(1)

    def now() -> float:
        return next(asked) * tick_s

    def now_ns() -> int:
        return round(now() * 1e9)

    for name in _CLOCKS:
        setattr(time, name, now)
        setattr(time, f"{name}_ns", now_ns)
