"""Scratch folders of processes that were killed: each process has its own, and sweeps those whose process has ended."""

from __future__ import annotations

from pathlib import Path

import psutil

from tasks.sandbox import scratch


def own(scratch_root: Path) -> Path:
    """This process's folder under the root, after removing what killed processes have left there."""
    scratch_root.mkdir(parents=True, exist_ok=True)
    for folder in scratch_root.iterdir():
        if folder.is_dir() and _is_left(folder.name):
            scratch.remove(folder)
    process = psutil.Process()
    mine = scratch_root / f"process-{process.pid}-{process.create_time():.2f}"
    mine.mkdir(exist_ok=True)
    return mine


def _is_left(name: str) -> bool:
    """True for the folder of a process that has ended; its number may belong to another one by now."""
    kind, _, rest = name.partition("-")
    pid, _, created = rest.partition("-")
    if kind != "process" or not pid.isdigit():
        return False
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(created)) > 1.0
    except psutil.NoSuchProcess:
        return True
