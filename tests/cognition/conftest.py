"""A fresh archive with one campaign for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cognition.archive import Archive
from tests.cognition.play import new_archive, url


@pytest.fixture(scope="session")
def empty_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to copy: migrating takes a tenth of a second."""
    folder = tmp_path_factory.mktemp("empty")
    new_archive(folder).close()
    return folder / "archive.db"


@pytest.fixture
def archive(empty_archive: Path, tmp_path: Path) -> Iterator[Archive]:
    """On a real SQLite file of its own."""
    shutil.copy(empty_archive, tmp_path)
    with Archive.open(url(tmp_path)) as opened:
        yield opened
