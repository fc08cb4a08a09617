"""Measurements on fresh seeds: kept with their candidate, counted once, and invisible to whatever evolves."""

from __future__ import annotations

import pytest

from cognition.archive import Archive, ArchiveError, Confirmed
from cognition.records import FRESH_FROM
from tests.cognition.play import NAME, evaluation, played

ONE, TWO = FRESH_FROM, FRESH_FROM + 7


def test_they_are_kept_and_adding_them_again_changes_nothing(archive: Archive) -> None:
    played(archive, 0, 1.0)
    name = played(archive, 1, 2.0)
    before = archive.spend(NAME).cpu_s
    assert archive.confirm(name, [evaluation(TWO, sum=3.0), evaluation(ONE, sum=4.0)]) == 2
    assert archive.confirm(name, [evaluation(ONE, sum=99.0)]) == 0
    assert [(e.seed, e.measurements.metrics["sum"]) for e in archive.confirmations(name, "explore")] == [
        (ONE, 4.0),
        (TWO, 3.0),
    ]
    assert archive.spend(NAME).cpu_s == pytest.approx(before + 3.0)


def test_rounds_and_reports_do_not_see_them(archive: Archive) -> None:
    baseline, name = played(archive, 0, 1.0), played(archive, 1, 2.0)
    before = (archive.evaluations(name), archive.baseline_evaluations(NAME, "explore"), archive.candidate(name))
    archive.confirm(name, [evaluation(ONE, sum=50.0)])
    archive.confirm(baseline, [evaluation(ONE, sum=-50.0)])
    assert before == (
        archive.evaluations(name),
        archive.baseline_evaluations(NAME, "explore"),
        archive.candidate(name),
    )
    assert [each.fitness for each in archive.top(NAME, 2)] == [2.0, 1.0]


def test_what_the_rounds_themselves_cost_can_be_told_apart(archive: Archive) -> None:
    played(archive, 0, 1.0)
    name = played(archive, 1, 2.0)
    before = archive.costs(NAME)
    archive.confirm(name, [evaluation(TWO, sum=3.0)])
    assert archive.costs(NAME, fresh=False) == before
    assert archive.costs(NAME)[name].cpu_s > (before[name].cpu_s if name in before else 0.0)


def test_finalists_keep_the_order_of_their_first_test(archive: Archive) -> None:
    baseline, one, two = (played(archive, index, float(index)) for index in range(3))
    archive.confirm(baseline, [evaluation(ONE)])
    archive.confirm(two, [evaluation(ONE)])
    _later()
    archive.confirm(one, [evaluation(ONE)])
    _later()
    archive.confirm(two, [evaluation(ONE, "verify"), evaluation(TWO)])
    assert archive.confirmed(NAME) == [
        Confirmed(two, "explore"),
        Confirmed(one, "explore"),
        Confirmed(two, "verify"),
    ]
    assert archive.confirmed("another") == []


def test_an_unknown_candidate_and_a_seed_of_the_rounds_are_refused(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match="no candidate 'nobody'"):
        archive.confirm("nobody", [evaluation(ONE)])
    with pytest.raises(ValueError, match="not a fresh one"):
        archive.confirm(played(archive, 0, 1.0), [evaluation(1)])


def _later() -> None:
    """Rows carry milliseconds."""
    import time

    time.sleep(0.003)
