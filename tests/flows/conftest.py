"""Played campaigns (an archive is copied, not migrated anew, for each test), and a running fleet for whom needs one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cognition.archive import Archive
from tests.flows.fleet import Fleet
from tests.flows.report.scenes import archive_in


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """`nightshift up`, and `down` at the end."""
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    try:
        started = fleet.nightshift("up", "--json", timeout_s=300)
        assert started.returncode == 0, started.stderr
        yield fleet
    finally:
        fleet.nightshift("down")


@pytest.fixture(scope="session")
def empty_campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with the campaign and no round."""
    folder = tmp_path_factory.mktemp("report")
    archive_in(folder).close()
    return folder / "archive.db"


@pytest.fixture
def archive(empty_campaign: Path, tmp_path: Path) -> Iterator[Archive]:
    """On a real SQLite file of its own."""
    shutil.copy(empty_campaign, tmp_path)
    with Archive.open(f"sqlite:///{tmp_path / 'archive.db'}") as opened:
        yield opened


@pytest.fixture
def scene(empty_campaign: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Archive]]:
    """Archives in which a scene has been played."""
    with ExitStack() as stack:

        def played(play: Callable[..., None], *arguments: object) -> Archive:
            folder = tmp_path_factory.mktemp("scene")
            shutil.copy(empty_campaign, folder)
            opened = stack.enter_context(Archive.open(f"sqlite:///{folder / 'archive.db'}"))
            play(opened, *arguments)
            return opened

        yield played
