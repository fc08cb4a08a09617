"""Reading a process tree from /proc, and ending it. Used by the engine outside and by the supervisor inside."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

MAX_TREE = 4096  # a tree larger than this is over any limit of processes anyway
SWEEPS = 400


def read_proc(path: str) -> str:
    """A file of /proc, or "" if the process is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 65536).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def children(pid: int) -> list[int]:
    """The living and the unreaped children of a process, of all its threads."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - many times a second, names are enough
    except OSError:
        return []
    return [int(child) for thread in threads for child in read_proc(f"/proc/{pid}/task/{thread}/children").split()]


def descendants(root: int) -> list[int]:
    """Everything below `root`, parents before children, `root` itself not included."""
    found: list[int] = []
    queue = children(root)
    while queue and len(found) < MAX_TREE:
        pid = queue.pop()
        found.append(pid)
        queue.extend(children(pid))
    return found


def can_list_children() -> bool:
    """Whether this kernel has /proc/PID/task/TID/children."""
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()


def is_zombie(pid: int) -> bool:
    """Whether the process has ended and only waits for its parent (or is gone altogether)."""
    stat = read_proc(f"/proc/{pid}/stat")
    return not stat or stat.rpartition(")")[2].split()[0] in ("Z", "X")


def kill_descendants(root: int) -> bool:
    """Kill everything below `root` until nothing is left alive, also what is born meanwhile. False: something is."""
    for attempt in range(SWEEPS):
        alive = [pid for pid in descendants(root) if not is_zombie(pid)]
        if not alive:
            return True
        for pid in alive:
            _kill(pid)
        time.sleep(0 if attempt < SWEEPS // 2 else 0.01)
    return False


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
