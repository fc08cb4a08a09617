"""A program by name: a file, a candidate's id, or a campaign's best; never one of another problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from cognition.archive import Archive, ArchiveError
from flows import curate
from flows.config import ConfigError
from flows.home import open_home
from flows.programs import named
from tests.cognition import play


@pytest.fixture
def archive_url(tmp_path: Path) -> str:
    """Two rounds of a curation campaign that has options of its own, and an empty one of another problem."""
    url = play.url(tmp_path)
    with Archive.open(url) as archive:
        settings = {"problem": "curation", "options": {"documents": 60}}
        archive.create_campaign(play.NAME, "curation", 0, settings, "1")
        archive.create_campaign("shapes", "arch", 0, {}, "1")
        archive.create_campaign("empty", "curation", 0, {}, "1")
        play.played(archive, 0, 0.5)
        play.played(archive, 1, 0.7)
    return url


def test_a_program_is_a_file_a_candidate_or_the_best(archive_url: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("x = 1\n")
    assert named(archive_url, str(path), "curation").code == "x = 1\n"
    best = named(archive_url, f"{play.NAME}-best", "curation")
    assert best.candidate is not None
    assert best.candidate.id == "packing-0001"
    assert named(archive_url, "packing-0000", "curation").code == "answer = 'packing-0000'"


@pytest.mark.parametrize("name", ["nothing-best", "nothing-0001"])
def test_an_unknown_one_is_one_line(archive_url: str, name: str) -> None:
    with pytest.raises(ArchiveError):
        named(archive_url, name, "curation")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.py", "cannot read"),
        ("packing-0001", "is of a campaign of curation, not of arch"),
        ("packing-best", "is of a campaign of curation, not of arch"),
        ("shapes-best", "nothing of shapes is scored yet"),
    ],
)
def test_what_cannot_be_meant_is_refused(archive_url: str, name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        named(archive_url, name, "arch")


def test_a_candidate_is_examined_under_the_options_of_its_campaign(
    archive_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NIGHTSHIFT_ARCHIVE", archive_url)
    for name in ("packing-0000", "packing-best"):
        found = named(open_home().archive_url, name, "curation")
        assert curate._options(open_home(), found).documents == 60
