"""Lets a job run alone on this machine, after the host kept it waiting while other jobs ran.

All jobs of a user hold one file lock together, of whatever process and campaign; a job that runs alone holds it by
itself. It knows nothing of load that is not ours.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Load:
    """The lock of one folder; by default of this user on this machine. Safe to use from several threads."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` must exist and be writable; by default one that only this user can enter. Raises OSError."""
        base = folder or private_folder()
        self._running = base / "running.lock"
        self._next = base / "next.lock"

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
    def alone(self, patience_s: float) -> Iterator[None]:
        """Run when all others have ended; none starts meanwhile. Raises TimeoutError when they do not end."""
        deadline = time.monotonic() + patience_s
        with _held(self._next, fcntl.LOCK_EX, deadline), _held(self._running, fcntl.LOCK_EX, deadline):
            yield


def private_folder() -> Path:
    """A folder on this machine that is this user's alone, for locks. Raises OSError."""
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp", f"nightshift-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else: remove it, or set XDG_RUNTIME_DIR")
    return folder


@contextmanager
def _held(path: Path, kind: int, deadline: float | None = None) -> Iterator[None]:
    handle = _lock(path, kind, deadline)
    try:
        yield
    finally:
        os.close(handle)


def _lock(path: Path, kind: int, deadline: float | None = None) -> int:
    """A descriptor of its own for every holder: locks belong to descriptors, so threads exclude each other too."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if deadline is None:
            fcntl.flock(handle, kind)
        else:
            _lock_before(handle, kind, deadline)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _lock_before(handle: int, kind: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError("other jobs did not end") from None
            time.sleep(0.05)
