"""Several objectives in the report: the front, and candidates that are in no ranking."""

from __future__ import annotations

from pathlib import Path

from cognition.archive import Archive, RoundResult
from cognition.records import Evaluation, Measurements, Provenance, Sample, Score
from flows.report import figures, markdown, page
from flows.report.records import Goal, Report
from tasks.contract import Objective
from tests.flows.report import scenes

GOAL = Goal("sum", None, (Objective("sum"), Objective("seconds", "min")), "sum")


def _play(archive: Archive, index: int, sum_: float, seconds: float, unranked: str = "") -> str:
    claim = archive.open_round(scenes.NAME, index, "me", 3600, lambda view: Sample(None, (), view.sequence, "hand"))
    measured = Measurements({"sum": sum_, "seconds": seconds})
    archive.record(
        RoundResult(
            claim.round_id,
            claim.token,
            Score(sum_, unranked=unranked),
            f"x = {index}\n",
            evaluations=(Evaluation("explore", 0, "1", measured),),
            provenance=Provenance("recombine"),
        )
    )
    return claim.candidate_id


def _report(tmp_path: Path) -> Report:
    with scenes.archive_in(tmp_path) as archive:
        for index, (sum_, seconds, unranked) in enumerate(
            [(1.0, 4.0, ""), (2.0, 4.0, ""), (1.5, 2.0, ""), (9.0, 40.0, "seconds: 40, far over the baseline's 4")]
        ):
            _play(archive, index, sum_, seconds, unranked)
        assert [candidate.round_index for candidate in archive.top(scenes.NAME, 9)] == [1, 2, 0]
        return scenes.report_of(archive, GOAL)


def test_the_front_holds_what_nothing_beats_and_the_unranked(tmp_path: Path) -> None:
    report = _report(tmp_path)
    assert [(p.round_index, p.values, p.is_on_front) for p in report.front] == [
        (3, (9.0, 40.0), True),
        (1, (2.0, 4.0), True),
        (2, (1.5, 2.0), True),
        (0, (1.0, 4.0), False),
    ]


def test_an_unranked_candidate_is_never_the_best(tmp_path: Path) -> None:
    report = _report(tmp_path)
    assert report.best is not None
    assert report.best.round_index == 1
    assert [line.is_new_best for line in report.rounds] == [True, True, False, False]
    assert report.rounds[-1].best_fitness == 2.0
    assert report.rounds[-1].unranked == "seconds: 40, far over the baseline's 4"
    assert [line.index for line in report.news.new_bests] == [0, 1]
    assert report.improving == 2


def test_every_renderer_shows_the_front_and_how_the_score_is_made(tmp_path: Path) -> None:
    report = _report(tmp_path)
    for text in (markdown.render(report), page.render(report, {"front": b"png"})):
        assert "3 of 4 scored candidates are beaten by no other on every objective at once" in text
        assert "The score that ranks: sum." in text
        assert "seconds (lower is better)" in text
        assert "far over the baseline" in text


def test_the_figure_is_drawn_only_for_several_objectives(tmp_path: Path) -> None:
    report = _report(tmp_path)
    assert dict(figures.draw(report))["front"].startswith(b"\x89PNG")
    with scenes.archive_in(tmp_path / "other") as archive:
        scenes.play(archive, 0, 1.0)
        single = scenes.report_of(archive)
    assert "front" not in dict(figures.draw(single))
    assert "Pareto" not in markdown.render(single)
