"""One SQLite file behind SQLAlchemy: opening, migrating, and the two kinds of transaction.

Reads see a snapshot and never wait. Writes start with BEGIN IMMEDIATE and queue: between threads on a lock, between
processes on SQLite's busy timeout. WAL with synchronous=NORMAL: a killed process loses nothing, a power cut may lose
the last transactions but never corrupts. Another database than SQLite is refused until it is tested (docs/archive.md).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from cognition import migrations
from cognition.errors import ArchiveError, ArchiveUnavailable
from cognition.records import Candidate

BUSY_TIMEOUT_S = 30.0


class Decoded:
    """The candidates decoded last, by sequence number. Bounded; safe to share between threads."""

    def __init__(self, most: int = 500) -> None:
        self._most = most
        self._kept: OrderedDict[int, Candidate] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, seq: int) -> Candidate | None:
        """The candidate, if it is still kept."""
        with self._lock:
            found = self._kept.get(seq)
            if found is not None:
                self._kept.move_to_end(seq)
            return found

    def keep(self, seq: int, candidate: Candidate) -> Candidate:
        """Remember a candidate, forget the one unused for longest."""
        with self._lock:
            self._kept[seq] = candidate
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return candidate


class Database:
    """An opened archive file. Safe to share between threads; several processes may open the same file."""

    def __init__(self, engine: Engine) -> None:
        """Use `open_database`."""
        self._engine = engine
        self.decoded = Decoded()
        self._immediate = engine.execution_options(immediate=True)
        # SQLite lets waiting writers sleep and poll; a lock hands over at once. Re-entrant, so that a nested write
        # ends in a busy time-out with a message instead of a silent deadlock.
        self._writing = threading.RLock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent snapshot. Raises ArchiveUnavailable."""
        with _translated(self._engine), self._engine.connect() as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it or nothing. Raises ArchiveUnavailable."""
        with self._writing, _translated(self._engine), self._immediate.begin() as tx:
            yield tx

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def open_database(url: str) -> Database:
    """Open or create the archive at `url`, at the newest schema. Raises ArchiveError."""
    engine = create_engine(_checked(url), pool_size=5, max_overflow=20)
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    database = Database(engine)
    try:
        _migrate_if_needed(database, url)
    except BaseException:
        database.close()
        raise
    return database


def now_iso() -> str:
    """The time in UTC, as the archive keeps it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ArchiveError(f"expected a database URL like sqlite:////home/me/archive.db, got {url!r}") from error
    if parsed.get_backend_name() != "sqlite":
        raise ArchiveError(f"the archive supports sqlite:///FILE so far, not {parsed.get_backend_name()}")
    if parsed.database in (None, "", ":memory:"):
        raise ArchiveError("the archive needs a file, sqlite:////path/to/archive.db: memory is not shared by threads")
    try:
        Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveUnavailable(f"cannot create the archive's folder: {error}") from error
    return parsed


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


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise ArchiveUnavailable(f"the archive {engine.url.database} cannot be used: {error.orig}") from error
    except DatabaseError as error:
        if "not a database" in str(error.orig) or "malformed" in str(error.orig):
            raise ArchiveError(f"{engine.url.database} is not a usable SQLite file: {error.orig}") from error
        raise


def _migrate_if_needed(database: Database, url: str) -> None:
    with database.read() as tx:
        version = _version(tx)
    if version == migrations.HEAD:
        return
    with database.write() as tx:
        version = _version(tx)  # another process may have been faster
        if version not in (None, *migrations.KNOWN):
            raise ArchiveError(
                f"{url} has schema {version}, newer than this program's {migrations.HEAD}: update the program"
            )
        if version != migrations.HEAD:
            migrations.upgrade(tx)


def _version(tx: Connection) -> str | None:
    """The schema's version; None for a database without tables."""
    try:
        return tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    except OperationalError as error:
        if "no such table" in str(error.orig):
            return None
        raise
