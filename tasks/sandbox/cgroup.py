"""A memory limit on a whole process tree by a cgroup, version 1 or 2, where we may write one; else polling does it.

Version 2 works where our own cgroup may have children with a memory controller (a delegated one, or a container's).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "nightshift-"
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class MemoryCgroup:
    """One cgroup for one job."""

    folder: Path
    version: int

    def add(self, pid: int) -> None:
        """Move a process in; its later children follow. Raises OSError."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def limit_hit(self) -> bool:
        """Whether the kernel has killed in here for want of memory."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        for line in _read(self.folder / name).splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill" and value.strip() != "0":
                return True
        return False

    def peak_mb(self) -> float:
        """The most memory that was in use, 0 where the kernel does not say."""
        name = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        return int(_read(self.folder / name) or 0) / 2**20

    def remove(self) -> None:
        """Remove it; its processes have ended, but the kernel may need a moment to notice."""
        for _ in range(50):
            with contextlib.suppress(OSError):
                self.folder.rmdir()
                return
            time.sleep(0.002)


def create(memory_mb: int) -> MemoryCgroup | None:
    """A new cgroup with this limit, or None where that is not possible."""
    for parent, version in _parents():
        group = MemoryCgroup(parent / f"{PREFIX}{os.getpid()}-{next(_numbers)}", version)
        with contextlib.suppress(OSError):
            group.folder.mkdir()
            try:
                _set_limit(group, memory_mb * 2**20)
            except OSError:
                group.remove()
                raise
            return group
    return None


def _set_limit(group: MemoryCgroup, limit_bytes: int) -> None:
    names = ("memory.max", "memory.swap.max") if group.version == 2 else ("memory.limit_in_bytes", "")
    (group.folder / names[0]).write_text(str(limit_bytes))
    if group.version == 2:
        with contextlib.suppress(OSError):  # a kernel without swap accounting
            (group.folder / names[1]).write_text("0")
    else:
        with contextlib.suppress(OSError):
            (group.folder / "memory.memsw.limit_in_bytes").write_text(str(limit_bytes))


def _parents() -> list[tuple[Path, int]]:
    """Where our own cgroups are, so that we stay within what was given to us."""
    found = []
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            found.append((ROOT / "memory" / path.lstrip("/"), 1))
        elif not controllers:
            own = ROOT / path.lstrip("/")
            found += [(folder, 2) for folder in (own, own.parent) if _delegates_memory(folder)]
    return [(folder, version) for folder, version in found if os.access(folder, os.W_OK)]


def _delegates_memory(folder: Path) -> bool:
    return "memory" in _read(folder / "cgroup.subtree_control").split()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
