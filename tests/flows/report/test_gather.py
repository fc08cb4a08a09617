"""From the archive to records: every number of a report from rounds that were played by hand."""

from __future__ import annotations

import pytest

from cognition.archive import Archive, RoundSummary
from cognition.records import Failure, FailureKind, Provenance, Score
from flows.report import sums, words
from flows.report.gather import news
from flows.report.records import Goal
from tests.flows.report.scenes import NAME, call, item, machine_fault, play, report_of, retrieved


def _kinds(archive: Archive, goal: Goal | None = None) -> list[str]:
    return [notice.kind for notice in report_of(archive, goal).notices]


def test_the_best_with_its_gain_and_its_uncertainty(archive: Archive) -> None:
    play(archive, 0, Score(1.0, 0.3, 3), code="x = 0\n")
    middle = play(archive, 1, Score(1.5, 0.4, 3), f"{NAME}-0000", code="x = 1\n")
    play(archive, 2, Score(3.0, 0.4, 3), middle, f"{NAME}-0000", code="x = 2\n")
    best = report_of(archive).best
    assert best is not None
    assert (best.id, best.gain) == (f"{NAME}-0002", 2.0)
    assert best.gain_standard_error == pytest.approx(0.5)
    assert best.to_parent is not None
    assert best.to_baseline is not None
    assert (best.to_parent.against, "-x = 1" in best.to_parent.diff) == (middle, True)
    assert (best.to_baseline.against, "-x = 0" in best.to_baseline.diff) == (f"{NAME}-0000", True)


def test_the_lineage_has_a_main_line_and_the_others(archive: Archive) -> None:
    first = play(archive, 0, 1.0)
    left, right = play(archive, 1, 2.0, first), play(archive, 2, 1.5, first)
    play(archive, 3, 0.1, right)
    best = play(archive, 4, 3.0, left, right)
    lineage = report_of(archive).lineage
    assert [(one.id, one.is_main_line) for one in lineage] == [
        (best, True),
        (right, False),
        (left, True),
        (first, True),
    ]


def test_failures_keep_their_three_kinds_apart(archive: Archive) -> None:
    first = play(archive, 0, 1.0)
    play(archive, 1, Failure(FailureKind.CRASH, "divided by zero"), first)
    play(archive, 2, Failure(FailureKind.DUPLICATE, f"the same as {first}"), first)
    play(archive, 3, Failure(FailureKind.DUPLICATE, f"the same as {NAME}-0001r2"), first)
    machine_fault(archive, 4, "no space left")
    report = report_of(archive)
    assert [(one.name, one.group, one.count) for one in report.outcomes] == [
        ("scored", "scored", 1),
        ("crash", "candidate", 1),
        ("duplicate", "proposal", 2),
        ("machine_fault", "machine", 1),
    ]
    assert [(one.name, one.count) for one in report.refused] == [("duplicate: the same as …", 2)]
    assert [(one.round_id, one.step, one.reason) for one in report.faults] == [
        (f"{NAME}-0004", "train", "no space left")
    ]
    assert report.rounds_recorded == 3


def test_cost_by_role_and_by_candidate_and_what_is_unknown(archive: Archive) -> None:
    first = play(archive, 0, 1.0)
    play(archive, 1, 2.0, first, metrics=(2.0, 2.0))
    call(archive, f"{NAME}-0001", "researcher", 0.5, tokens=1000)
    call(archive, f"{NAME}-0001", "analyzer", None, tokens=100)
    play(archive, 2, Failure(FailureKind.CRASH, "it crashed"), first)
    report = report_of(archive)
    assert [(role.role, role.use.tokens, role.use.price_usd) for role in report.roles] == [
        ("researcher", 1250, 0.5),
        ("analyzer", 125, None),
    ]
    assert (report.total.dollars, report.total.price_usd) == (0.5, None)
    one, two = report.rounds[1].use, report.rounds[2].use
    assert (one.calls, one.price_usd, one.cpu_s) == (2, None, 4.0)
    assert (two.calls, two.price_usd, two.cpu_s) == (0, 0.0, None)  # nothing was measured: not 0 seconds


def test_items_are_counted_with_improving_candidates_and_with_others(archive: Archive) -> None:
    item(archive, "corners", "corners first")
    first = play(archive, 0, 1.0)
    better = play(archive, 1, 2.0, first, provenance=Provenance("openai", sources=("corners",), built_on=(first,)))
    worse = play(archive, 2, 1.5, first, better)
    fresh = play(archive, 3, 0.5)  # made from nothing, and below the baseline
    for candidate in (better, worse, fresh):
        retrieved(archive, candidate, "corners", "gone")
    report = report_of(archive)
    assert (report.improving, report.others) == (1, 2)
    corners, gone = report.items
    assert (corners.insight, corners.with_improving, corners.with_others) == ("corners first", 1, 2)
    assert (corners.declared_by_improving, corners.declared_by_others) == (1, 0)
    assert (gone.id, gone.insight) == ("gone", "")


def test_news_are_what_ended_after_a_time(archive: Archive) -> None:
    play(archive, 0, 1.0)
    before = archive.rounds(NAME)[0].ended_at
    play(archive, 1, 0.5)
    play(archive, 2, 2.0)
    news = report_of(archive, since=before).news
    assert (news.rounds, news.best_before) == (2, 1.0)
    assert [line.index for line in news.new_bests] == [2]
    assert report_of(archive).news.rounds == 3


def test_what_to_look_at(archive: Archive) -> None:
    play(archive, 0, Score(1.0, 0.5, 3))
    for index in range(1, 22):
        play(archive, index, Failure(FailureKind.DUPLICATE, "known") if index % 2 else 0.5, f"{NAME}-0000")
    play(archive, 22, Failure(FailureKind.CHEATING, "wrote the answer"))
    machine_fault(archive, 23, "no space left")
    kinds = _kinds(archive)
    assert kinds[0] == "cheating"  # urgent ones first
    assert {"baseline_leads", "stagnation", "duplicates", "machine_faults"} <= set(kinds)
    play(archive, 24, Score(1.2, 0.5, 3))
    assert "within_noise" in _kinds(archive)
    call(archive, f"{NAME}-0024", "researcher", None)
    assert "unknown_price" in _kinds(archive)
    assert "beyond_best_known" in _kinds(archive, Goal("score", 1.1))


def test_a_weaker_sandbox_is_named(archive: Archive) -> None:
    play(archive, 0, 1.0, tier="unsafe")
    (notice,) = report_of(archive).notices
    assert (notice.kind, notice.urgent) == ("weak_sandbox", True)


def test_a_campaign_without_rounds_has_a_report(archive: Archive) -> None:
    report = report_of(archive)
    assert (report.best, report.rounds, report.notices) == (None, (), ())


def _ended(index: int, kind: str | None, step: str, state: str = "recorded") -> RoundSummary:
    name = f"c-{index:04d}"
    return RoundSummary(
        index=index,
        id=name,
        state=state,  # type: ignore[arg-type]  # a word of the test
        candidate_id=None,
        parent=None,
        references=(),
        sampler=None,
        island=None,
        outcome_kind=kind,
        fitness=None,
        best_fitness=None,
        unranked="",
        reason="",
        failed_step=step,
        started_at="",
        ended_at=None,
    )


def test_failures_are_counted_by_whose_they_are_and_where_of_those_that_came_so_far() -> None:
    rounds = [
        _ended(0, "scored", ""),
        _ended(1, "duplicate", "propose"),
        _ended(2, "check", "check"),
        _ended(3, "crash", "train"),
        _ended(4, "memory", "train"),
        _ended(5, None, "train", "failed"),
        _ended(6, None, "", "running"),
    ]
    found = [(one.group, one.step, one.count, one.reached, one.kinds) for one in sums.rates(rounds)]
    assert found == [
        ("candidate", "check", 1, 5, "check 1"),
        ("candidate", "train", 2, 4, "crash 1, memory 1"),
        ("proposal", "propose", 1, 6, "duplicate 1"),
        ("machine", "train", 1, 4, "machine fault 1"),
    ]
    assert words.rate_rows(sums.rates(rounds))[1] == (
        "the candidate's",
        "train",
        2,
        4,
        "50%",
        "crash 1, memory 1",
    )


def test_who_was_demoted_is_no_new_best(archive: Archive) -> None:
    first = play(archive, 0, 1.0)
    lucky = play(archive, 1, 9.0, first)
    play(archive, 2, 3.0, first)
    archive.demote(lucky, "explore", -0.5, 4)
    report = report_of(archive)
    assert [line.index for line in report.news.new_bests] == [0, 2]
    assert news(report.rounds, "9999-01-01T00:00:00.000+00:00").best_before == 3.0
