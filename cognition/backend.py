"""What differs between databases, behind one small seam: connecting, the two kinds of transaction, errors, locks.

`cognition/sqlite.py` and `cognition/postgres.py` fulfil it; full-text search differs too and has `cognition/search.py`.
Everything else in the archive is plain SQLAlchemy Core.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from cognition.errors import ArchiveError


class Backend(Protocol):
    """One kind of database. A transaction of `reading` is a snapshot; those of `writing` never overlap."""

    @property
    def place(self) -> str:
        """The database as messages call it: file, or host, port and name. Never a password."""

    @property
    def reading(self) -> Engine:
        """For transactions that only read."""

    @property
    def writing(self) -> Engine:
        """For transactions that write: one at a time in the whole archive, whatever process or machine they are of."""

    def explained(self, error: DBAPIError) -> ArchiveError | None:
        """The driver's error in our words; None if it is a mistake of ours."""

    def alone(self, name: str) -> AbstractContextManager[bool]:
        """Try to be the only holder of that name on this archive; yields whether it worked, and never waits.

        The holder's death frees it.
        """


def choose(url: str) -> Backend:
    """The backend of an archive's URL; nothing is connected yet. Raises ArchiveError."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        hint = "" if "@" in url else f", got {url!r}"  # what stands before an @ may be a password
        raise ArchiveError(f"expected a database URL like sqlite:////home/me/archive.db{hint}") from error
    if parsed.get_backend_name() == "sqlite":
        from cognition.sqlite import SQLite

        return SQLite(parsed)
    if parsed.drivername in ("postgresql+psycopg", "postgresql", "postgres"):
        from cognition.postgres import Postgres

        return Postgres(parsed.set(drivername="postgresql+psycopg"))
    raise ArchiveError(f"the archive supports sqlite:///FILE and postgresql+psycopg://, not {parsed.drivername}://")
