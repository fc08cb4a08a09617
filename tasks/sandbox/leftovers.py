"""Scratch folders of processes that were killed: each process has its own, and sweeps those whose process has ended."""

from __future__ import annotations

import os
from pathlib import Path

from tasks import processes
from tasks.sandbox import scratch


def own(scratch_root: Path) -> Path:
    """This process's folder under the root, after removing what killed processes have left there."""
    scratch_root.mkdir(parents=True, exist_ok=True)
    for folder in scratch_root.iterdir():
        if folder.is_dir() and _is_left(folder.name):
            scratch.remove(folder)
    mine = scratch_root / f"process-{os.getpid()}-{processes.own():.2f}"
    mine.mkdir(exist_ok=True)
    return mine


def _is_left(name: str) -> bool:
    """True for the folder of a process that has ended; its number may belong to another one by now."""
    kind, _, rest = name.partition("-")
    pid, _, created = rest.partition("-")
    if kind != "process" or not pid.isdigit():
        return False
    return not processes.is_same(int(pid), float(created))
