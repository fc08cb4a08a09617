"""A candidate whose score a re-test found to be noise leads nowhere: every reader of the archive agrees."""

from __future__ import annotations

from typing import Any

import pytest

from cognition.archive import Archive
from cognition.arms import Tried
from cognition.records import Provenance
from flows.alarm import Alarm
from flows.config import Settings
from flows.report import figures
from flows.report.gather import Occasion, gather
from flows.report.records import Goal, Shares
from tasks.contract import Objective
from tests.flows.report.scenes import NAME, NOW, call, play, report_of

SETTINGS = Settings.model_validate({"name": NAME, "problem": "circle_packing", "alerts": {"stagnation_rounds": 2}})


@pytest.fixture
def lucky(archive: Archive) -> str:
    """Round 1 of four was the best by luck and is demoted; round 2 is the best of the others."""
    first = play(archive, 0, 1.0, provenance=Provenance("baseline"))
    lucky = play(archive, 1, 9.0, first)
    play(archive, 2, 2.0, first, provenance=Provenance("openai"))
    play(archive, 3, 1.5, first, provenance=Provenance("openai"))
    archive.demote(lucky, "explore", -0.5, 4)
    return lucky


def test_it_is_no_winner_and_did_not_improve_on_anything(archive: Archive, lucky: str) -> None:
    report = report_of(archive)
    assert report.winning_origins == Shares(0.0, 0.0, 1.0, 2)
    assert report.improving == 2
    archive.reinstate(lucky, "explore")
    again = report_of(archive)
    assert again.winning_origins is not None
    assert (again.winning_origins.candidates, again.improving) == (3, 3)


def test_it_is_no_best_so_far_in_any_table_or_figure(
    archive: Archive, lucky: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.axes import Axes

    assert [line.best_fitness for line in archive.rounds(NAME)] == [1.0, 1.0, 2.0, 2.0]
    report = report_of(archive)
    assert [line.best_fitness for line in report.rounds] == [1.0, 1.0, 2.0, 2.0]
    drawn: dict[str, list[float]] = {}

    def kept(kind: str) -> Any:
        plain = getattr(Axes, kind)

        def noted(axes: Axes, xs: Any, ys: Any, *rest: Any, **more: Any) -> Any:
            drawn[str(more["label"]).split(" (")[0]] = [float(y) for y in ys]
            return plain(axes, xs, ys, *rest, **more)

        return noted

    for kind in ("step", "scatter"):
        monkeypatch.setattr(Axes, kind, kept(kind))
    figures.one(report, "fitness", "png")
    assert drawn == {"best so far": [1.0, 1.0, 2.0, 2.0], "candidates": [1.0, 2.0, 1.5], "demoted by re-test": [9.0]}


def test_a_campaign_whose_only_new_best_was_demoted_stagnates(archive: Archive, lucky: str) -> None:
    assert Alarm(archive, SETTINGS).state.since_best == 1  # round 2 is the newest best
    assert Alarm(archive, SETTINGS).state.best == 2.0
    assert gather(archive, NAME, Goal("score"), SETTINGS.alerts, Occasion(NOW)).alerts == ()
    archive.demote(f"{NAME}-0002", "explore", -0.5, 4)
    archive.demote(f"{NAME}-0003", "explore", -0.5, 4)
    assert Alarm(archive, SETTINGS).state.since_best == 3
    report = gather(archive, NAME, Goal("score"), SETTINGS.alerts, Occasion(NOW))
    assert [alert.kind for alert in report.alerts] == ["stagnation"]


def test_it_stays_on_the_front_and_is_marked(archive: Archive, lucky: str) -> None:
    report = report_of(archive, Goal("sum", None, (Objective("sum"),), "sum"))
    (point,) = [point for point in report.front if point.is_on_front]
    assert point.id == lucky
    assert "demoted by re-test" in point.unranked


def test_the_models_that_found_it_gained_nothing(archive: Archive, lucky: str) -> None:
    for index in (1, 2):
        call(archive, f"{NAME}-{index:04d}", "researcher", 0.25)
    assert archive.tried(NAME, 10) == [Tried("some-model", 0.0, 0.25), Tried("some-model", 1.0, 0.25)]
    archive.reinstate(lucky, "explore")
    assert archive.tried(NAME, 10)[0].gain == 8.0
