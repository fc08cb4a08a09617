"""Where a report goes, what counts as new in the next one, and that no trouble with it ends a campaign."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cognition.archive import Archive
from flows import summary
from flows.alerts import AlertsSettings
from flows.config import ConfigError
from flows.home import open_home
from flows.report import command, deliver
from flows.report.records import Goal, Report
from tasks.artefacts import UriWorkspace, workspace
from tasks.contract import Brief
from tests.flows.report.scenes import NAME, play, report_of


@pytest.fixture
def place(tmp_path: Path) -> UriWorkspace:
    return workspace(tmp_path.as_uri(), "campaigns", NAME)


def _made(archive: Archive, place: UriWorkspace) -> Report:
    report = deliver.make(archive, NAME, Goal("score"), AlertsSettings(), place)
    place.write(deliver.RECORD, deliver.as_json(report).encode())
    return report


def test_news_are_what_ended_after_the_last_report_and_stay_until_more_ends(
    archive: Archive, place: UriWorkspace
) -> None:
    play(archive, 0, 1.0)
    first = _made(archive, place)
    assert (first.news.since, first.news.rounds) == (None, 1)
    play(archive, 1, 2.0)
    second = _made(archive, place)
    assert (second.news.since, second.news.rounds) == (first.made_at, 1)
    again = _made(archive, place)  # nothing has ended since: the news of the morning are still those
    assert (again.news.since, again.news.rounds) == (first.made_at, 1)


def test_a_damaged_last_report_is_as_none(archive: Archive, place: UriWorkspace) -> None:
    place.write(deliver.RECORD, b"{")
    play(archive, 0, 1.0)
    assert _made(archive, place).news.since is None


def test_stored_are_page_markdown_records_and_figures(archive: Archive, place: UriWorkspace) -> None:
    play(archive, 0, 1.0)
    stored = {file.name for file in deliver.store(report_of(archive), place)}
    figures = {"fitness.png", "fitness.svg", "lineage.png", "outcomes.png", "cost.png"}
    assert stored == {"report.html", "report.md", "report.json", *figures}
    assert place.read("report.html").count(b"data:image/png;base64,") == 4
    assert json.loads(place.read("report.json"))["campaign"] == NAME


async def test_a_prefect_that_refuses_the_artefact_is_only_logged(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no server")

    monkeypatch.setattr("prefect.artifacts.acreate_markdown_artifact", refuse)
    await deliver.to_prefect(report_of(archive))
    assert "the report did not reach Prefect: RuntimeError: no server" in caplog.text


def test_a_report_that_cannot_be_made_leaves_the_leaderboard(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    play(archive, 0, 1.0)
    brief = Brief("goal", "contract", "x = 0\n")
    engine = SimpleNamespace(
        archive=archive, campaign=NAME, brief=brief, domain=SimpleNamespace(name="d"), artefact_root=tmp_path.as_uri()
    )
    monkeypatch.setattr(deliver, "gather", broken)
    report = summary.report_of(cast(Any, engine), AlertsSettings(), "done", ())
    assert report is None
    summary.publish(cast(Any, engine), "done", report, failed=False)
    (entry,) = archive.pending(10)
    assert "leaderboard.md" in entry.payload["data"]["texts"]


def test_a_report_of_a_problem_that_is_not_installed_says_score() -> None:
    assert deliver.goal_of("nobody_has_this", {}) == Goal("score")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90m", "2026-01-02T10:30:00.000+00:00"),
        ("1.5d", "2026-01-01T00:00:00.000+00:00"),
        ("2026-01-01T22:00+02:00", "2026-01-01T20:00:00.000+00:00"),
    ],
)
def test_a_time_is_a_span_or_a_moment(text: str, moment: str) -> None:
    assert command.moment(text, datetime(2026, 1, 2, 12, tzinfo=UTC)) == moment


def test_another_time_or_file_is_refused_in_one_line(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="12h or 2d"):
        command.moment("yesterday", datetime.now(UTC))
    with pytest.raises(ConfigError, match=r"\.html or \.md"):
        command.make(archive, open_home(tmp_path), NAME, None, Path("report.pdf"))
