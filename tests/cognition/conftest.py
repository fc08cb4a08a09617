"""A fresh archive with one campaign for each test: on SQLite, and under the mark `postgres` on PostgreSQL too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from cognition.archive import Archive
from tests.cognition.play import add_campaign, new_archive, url
from tests.postgres import PostgresServer

_numbers = count(1)


@pytest.fixture(scope="session")
def empty_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to copy: migrating takes a tenth of a second."""
    folder = tmp_path_factory.mktemp("empty")
    new_archive(folder).close()
    return folder / "archive.db"


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """A database to copy."""
    with Archive.open(postgres.create("empty_archive")) as archive:
        add_campaign(archive)
    return "empty_archive"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an archive that is not there yet."""
    if request.param == "sqlite":
        return url(tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create(f"test_{next(_numbers)}")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def archive_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an archive with one campaign."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("empty_archive"), tmp_path)
        return url(tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create(f"test_{next(_numbers)}", request.getfixturevalue("postgres_template"))


@pytest.fixture
def archive(archive_url: str) -> Iterator[Archive]:
    """Opened."""
    with Archive.open(archive_url) as opened:
        yield opened
