"""The archive on PostgreSQL, for several machines: repeatable-read snapshots, one advisory lock before every write.

The lock is what BEGIN IMMEDIATE is on SQLite: write transactions of one archive never overlap, on whatever machine
they run. So what was read inside one cannot change before it commits, and sequence numbers become visible in their
order (a rolled-back write leaves a gap, and nothing depends on there being none). It belongs to the transaction: a
killed process frees it. Not behind a pooler that shares connections between statements: `alone` holds a connection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError

from cognition.errors import ArchiveError, ArchiveUnavailable

CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 30
#: A process that was suspended inside a transaction loses it, so that the others can go on.
IDLE_TIMEOUT_S = 60
#: A process seldom uses more than two connections: its own writers queue before they take one.
MAX_CONNECTIONS = 10


class Postgres:
    """See cognition.backend.Backend."""

    def __init__(self, url: URL) -> None:
        """Raises ArchiveError when the driver is missing."""
        self.place = f"{url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"
        settings = f"-c lock_timeout={LOCK_TIMEOUT_S}s -c idle_in_transaction_session_timeout={IDLE_TIMEOUT_S}s"
        arguments = {"connect_timeout": CONNECT_TIMEOUT_S, "options": settings, "application_name": "nightshift"}
        try:
            engine = create_engine(
                url, connect_args=arguments, pool_size=3, max_overflow=MAX_CONNECTIONS - 3, pool_pre_ping=True
            )
        except ModuleNotFoundError as error:
            raise ArchiveError("an archive on Postgres needs psycopg: pip install 'nightshift[postgres]'") from error
        event.listen(engine, "begin", _begin)
        self.reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self.writing = engine.execution_options(isolation_level="READ COMMITTED", one_writer=True)
        self._apart = engine.execution_options(isolation_level="AUTOCOMMIT")

    def explained(self, error: DBAPIError) -> ArchiveError | None:
        """See Backend."""
        if isinstance(error, OperationalError | InterfaceError):
            reason = " ".join(str(error.orig).split())
            return ArchiveUnavailable(f"the archive at {self.place} cannot be used: {reason}")
        if isinstance(error, ProgrammingError) and "permission denied" in str(error.orig):
            reason = str(error.orig).splitlines()[0]
            return ArchiveError(f"the archive at {self.place}: {reason}; its user must own the database")
        return None

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """See Backend. The lock is the connection's, which is given back afterwards."""
        key = {"key": key_of(name)}
        with self._apart.connect() as connection:
            held = bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar())
            try:
                yield held
            finally:
                if held:
                    _free(connection, key)


def key_of(name: str) -> int:
    """An advisory lock's number, of 64 bits, for a name."""
    return int.from_bytes(hashlib.sha256(f"nightshift:{name}".encode()).digest()[:8], "big", signed=True)


_WRITERS = key_of("writers")


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("one_writer", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")


def _free(connection: Connection, key: dict[str, int]) -> None:
    try:
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
    except DBAPIError:  # the connection is gone, and with it the lock
        connection.invalidate()
