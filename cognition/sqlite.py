"""The archive in one SQLite file: WAL, BEGIN IMMEDIATE, and a lock file where one process has to be alone.

Reads see a snapshot and never wait. Writes start with BEGIN IMMEDIATE and queue on SQLite's busy timeout. WAL with
synchronous=NORMAL: a killed process loses nothing, a power cut may lose the last transactions but never corrupts.
"""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from cognition.errors import ArchiveError, ArchiveUnavailable

BUSY_TIMEOUT_S = 30.0


class SQLite:
    """See cognition.backend.Backend."""

    def __init__(self, url: URL) -> None:
        """Create the file's folder. Raises ArchiveError."""
        self.place = _file_of(url)
        self.reading = create_engine(url, pool_size=5, max_overflow=20)
        event.listen(self.reading, "connect", _set_up)
        event.listen(self.reading, "begin", _begin)
        self.writing = self.reading.execution_options(immediate=True)

    def explained(self, error: DBAPIError) -> ArchiveError | None:
        """See Backend."""
        if isinstance(error, OperationalError):
            return ArchiveUnavailable(f"the archive {self.place} cannot be used: {error.orig}")
        if "not a database" in str(error.orig) or "malformed" in str(error.orig):
            return ArchiveError(f"{self.place} is not a usable SQLite file: {error.orig}")
        return None

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """See Backend. The lock file stays; what counts is who holds it."""
        with Path(f"{self.place}.{name}.lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


def _file_of(url: URL) -> str:
    if url.database in (None, "", ":memory:"):
        raise ArchiveError("the archive needs a file, sqlite:////path/to/archive.db: memory is not shared by threads")
    try:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveUnavailable(f"cannot create the archive's folder: {error}") from error
    return str(url.database)


def _set_up(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    """Per connection. `isolation_level = None` keeps the driver from opening transactions of its own."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    _use_wal(connection)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switching a new file to WAL fails at once when another process does the same: SQLite does not wait here."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    is_write = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")
