"""The archive's database behind SQLAlchemy: opening, migrating, and the two kinds of transaction.

Reads see a snapshot and never wait. Writes queue: between threads on a lock, between processes on the database's own
(cognition/backend.py). SQLite in one file by default, PostgreSQL by URL.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cognition import migrations
from cognition.backend import Backend, choose
from cognition.errors import ArchiveError, ArchiveUnavailable
from cognition.records import Candidate


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
    """An opened archive. Safe to share between threads; several processes may open the same one."""

    def __init__(self, backend: Backend) -> None:
        """Use `open_database`."""
        self._backend = backend
        self.decoded = Decoded()
        # Databases let waiting writers poll or hold connections; a lock hands over at once. Re-entrant, so that a
        # nested write ends in a time-out with a message instead of a silent deadlock.
        self._writing = threading.RLock()

    @property
    def place(self) -> str:
        """The database as messages call it, without a password."""
        return self._backend.place

    @property
    def is_postgres(self) -> bool:
        """Whether it is PostgreSQL, which can do more than SQLite."""
        return self._backend.reading.dialect.name == "postgresql"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent snapshot. Raises ArchiveUnavailable."""
        with self._translated(), self._backend.reading.connect() as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it or nothing, and no other beside it. Raises ArchiveUnavailable."""
        with self._writing, self._translated(), self._backend.writing.begin() as tx:
            yield tx

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Try to be the only one, of all processes on this archive, inside a block of that name. Never waits."""
        with ExitStack() as stack:
            with self._translated():  # the block's own errors are none of ours
                held = stack.enter_context(self._backend.alone(name))
            yield held

    def close(self) -> None:
        """Close all connections."""
        self._backend.reading.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            explained = self._backend.explained(error)
            if explained is None:
                raise
            raise explained from error
        except PoolTimeout as error:
            raise ArchiveUnavailable(f"the archive {self.place}: all connections are in use") from error


def open_database(url: str) -> Database:
    """Open or create the archive at `url`, at the newest schema. Raises ArchiveError."""
    database = Database(choose(url))
    try:
        _migrate_if_needed(database)
    except BaseException:
        database.close()
        raise
    return database


def now_iso() -> str:
    """The time in UTC, as the archive keeps it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _migrate_if_needed(database: Database) -> None:
    with database.read() as tx:
        version = _version(tx)
    if version == migrations.HEAD:
        return
    with database.write() as tx:
        version = _version(tx)  # another process may have been faster
        if version not in (None, *migrations.KNOWN):
            raise ArchiveError(
                f"{database.place} has schema {version}, newer than this program's {migrations.HEAD}: "
                "update the program"
            )
        if version != migrations.HEAD:
            migrations.upgrade(tx)


def _version(tx: Connection) -> str | None:
    """The schema's version; None for a database without tables."""
    if not inspect(tx).has_table("alembic_version"):
        return None
    return tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
