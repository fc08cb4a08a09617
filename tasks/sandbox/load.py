"""Lets a job run alone on this machine, after the host kept it waiting while other jobs ran.

All jobs of a user hold one file lock together, of whatever process and campaign; a job that runs alone holds it by
itself. It knows nothing of load that is not ours.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Load:
    """The lock of one folder; by default of this user on this machine. Safe to use from several threads."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` must exist and be writable."""
        base = folder or Path(tempfile.gettempdir())
        self._running = base / f"nightshift-{os.getuid()}-running.lock"
        self._next = base / f"nightshift-{os.getuid()}-next.lock"

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """Run with other jobs; waits while one runs alone, or waits to. Raises OSError."""
        with _held(self._next, fcntl.LOCK_SH):
            running = _lock(self._running, fcntl.LOCK_SH)
        try:
            yield
        finally:
            os.close(running)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Run when all others have ended; none starts meanwhile. Raises OSError."""
        with _held(self._next, fcntl.LOCK_EX), _held(self._running, fcntl.LOCK_EX):
            yield


@contextmanager
def _held(path: Path, kind: int) -> Iterator[None]:
    handle = _lock(path, kind)
    try:
        yield
    finally:
        os.close(handle)


def _lock(path: Path, kind: int) -> int:
    """A descriptor of its own for every holder: locks belong to descriptors, so threads exclude each other too."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, kind)
    except BaseException:
        os.close(handle)
        raise
    return handle
