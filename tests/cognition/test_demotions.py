"""Demotions: out of the best and out of the cells at once, never deleted, and taken back by a later verdict."""

from __future__ import annotations

import pytest

from cognition.archive import Archive, ArchiveError
from cognition.records import Grid, Sample
from cognition.view import ArchiveView, newest_sequence
from tests.cognition.play import NAME, opened, placed, played

GRID = Grid(1, 10, 1_000, 0.0)


def _pool(archive: Archive, drawn: int) -> list[str]:
    """What a sampler sees after so many samples."""
    with archive.database.read() as tx:
        return [arm.candidate for arm in ArchiveView(tx, NAME, newest_sequence(tx), drawn).pool(10)]


def _elites(archive: Archive) -> list[str]:
    with archive.database.read() as tx:
        return [arm.candidate for arm in ArchiveView(tx, NAME, newest_sequence(tx), 99).elites(0, 10)]


def test_a_demoted_candidate_is_no_longer_one_of_the_best_and_keeps_its_score(archive: Archive) -> None:
    baseline, good, lucky = (played(archive, index, float(index)) for index in range(3))
    assert archive.demote(lucky, "explore", -0.25, 4)
    assert not archive.demote(lucky, "explore", -0.5, 6)
    assert archive.best(NAME) == archive.candidate(good)
    assert [each.id for each in archive.top(NAME, 5)] == [good, baseline]
    assert archive.candidate(lucky).fitness == 2.0
    assert archive.ranking(NAME) == [lucky, good, baseline]
    demotion = archive.demoted(NAME)[lucky]
    assert (demotion.rung, demotion.gain, demotion.replicates, demotion.until) == ("explore", -0.25, 4, None)


def test_samples_drawn_before_still_see_it(archive: Archive) -> None:
    baseline, lucky = played(archive, 0, 0.0), played(archive, 1, 1.0)
    archive.demote(lucky, "explore", -0.25, 4)
    later = played(archive, 2, 0.5)
    assert _pool(archive, 1) == [lucky, later, baseline]
    assert _pool(archive, 2) == [later, baseline]
    archive.reinstate(lucky, "explore")
    assert _pool(archive, 2) == [later, baseline]
    assert _pool(archive, 3) == [lucky, later, baseline]


def test_a_demotion_at_one_rung_outlasts_a_better_verdict_at_another(archive: Archive) -> None:
    played(archive, 0, 0.0)
    lucky = played(archive, 1, 1.0)
    archive.demote(lucky, "explore", -0.25, 4)
    archive.demote(lucky, "verify", -0.5, 4)
    assert archive.reinstate(lucky, "explore")
    assert not archive.reinstate(lucky, "explore")
    assert lucky in archive.demoted(NAME)
    assert archive.reinstate(lucky, "verify")
    assert archive.demoted(NAME) == {}
    assert [each.until for each in archive.demotions(NAME)] == [2, 2]


def test_its_cell_goes_to_the_next_best_and_comes_back_with_it(archive: Archive) -> None:
    played(archive, 0, 0.0)
    good = placed(archive, 1, 1.0, 0, GRID, complexity=0.5)
    lucky = placed(archive, 2, 2.0, 0, GRID, complexity=0.5)
    assert _elites(archive) == [lucky]
    archive.demote(lucky, "explore", -0.25, 4)
    assert _elites(archive) == [good]
    archive.reinstate(lucky, "explore")
    assert _elites(archive) == [lucky]


def test_the_baseline_and_strangers_are_refused(archive: Archive) -> None:
    baseline = played(archive, 0, 0.0)
    with pytest.raises(ArchiveError, match="baseline"):
        archive.demote(baseline, "explore", 0.0, 4)
    with pytest.raises(ArchiveError, match="no candidate 'nobody'"):
        archive.reinstate("nobody", "explore")


def test_what_was_drawn_comes_in_order_with_what_became_of_it(archive: Archive) -> None:
    played(archive, 0, 0.0)
    late = opened(archive, 2)
    early = played(archive, 1, 1.0)
    drawn = archive.drawn_rounds(NAME)
    assert [(round.index, round.is_recorded, round.candidate) for round in drawn] == [
        (0, True, f"{NAME}-0000"),
        (2, False, None),
        (1, True, early),
    ]
    assert drawn[1].id == late.round_id
    assert drawn[0].sample == Sample(None, (), 0, "hand")


def test_audits_and_sources_are_remembered_once(archive: Archive) -> None:
    archive.keep_audit("k", "p", {"tried": 1})
    archive.keep_audit("k", "p", {"tried": 2})
    assert archive.audit_of("k") == {"tried": 1}
    archive.keep_audit("k", "p", {"tried": 3}, replace=True)
    assert archive.audit_of("k") == {"tried": 3}
    assert archive.audit_of("another") is None
    assert archive.source_of(NAME) is None
    assert archive.note_source(NAME, "mended before anything is recorded") != "abc"
    assert archive.note_source(NAME, "abc") == "abc"
    played(archive, 0, 1.0)
    assert archive.note_source(NAME, "def") == "abc"
    assert archive.source_of(NAME) == "abc"


def test_cells_can_be_read_as_they_were_before_the_newest_candidate_and_not_at_it(archive: Archive) -> None:
    """A demotion has no number of its own, and counts at once: from the newest candidate's on."""
    for index, fitness in enumerate([1.0, 3.0, 2.0]):
        placed(archive, index, fitness, 0, GRID, complexity=0.5)
    newest = _sequence(archive)
    before = [_elites_at(archive, newest - back) for back in (2, 1, 0)]
    assert before == [["packing-0000"], ["packing-0001"], ["packing-0001"]]
    archive.demote("packing-0001", "explore", -0.5, 4)
    assert [_elites_at(archive, newest - back) for back in (2, 1)] == before[:2]
    assert _elites_at(archive, newest) == ["packing-0002"]
    placed(archive, 3, 0.5, 0, GRID, complexity=0.5)
    assert [_elites_at(archive, newest - back) for back in (2, 1)] == before[:2]


def _sequence(archive: Archive) -> int:
    with archive.database.read() as tx:
        return newest_sequence(tx)


def _elites_at(archive: Archive, sequence: int) -> list[str]:
    with archive.database.read() as tx:
        return [arm.candidate for arm in ArchiveView(tx, NAME, sequence, 99).elites(0, 10)]
