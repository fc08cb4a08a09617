"""Rounds: the sample is drawn once, leases and tokens keep two workers apart, reopening keeps what was."""

from __future__ import annotations

import pytest

from cognition.archive import Archive, ArchiveError, RoundBusy, RoundResult, StaleLease, View
from cognition.records import STEPS, Failure, FailureKind, Sample, Score
from tests.cognition.play import CRASH, DUPLICATE, NAME, no_parent, opened, played, result


def never(view: View) -> Sample:
    raise AssertionError("a second sample was drawn")


def test_a_retry_gets_the_stored_sample_and_a_higher_token(archive: Archive) -> None:
    first = archive.open_round(NAME, 1, "me", 60, lambda view: Sample(None, ("x",), view.sequence, "hand"))
    again = archive.open_round(NAME, 1, "me", 60, never)
    assert (first.token, again.token) == (1, 2)
    assert again.sample == first.sample == Sample(None, ("x",), 0, "hand")
    assert again.revision == dict.fromkeys(STEPS, 1)


def test_a_sampler_that_raises_leaves_no_round_behind(archive: Archive) -> None:
    with pytest.raises(AssertionError):
        archive.open_round(NAME, 1, "me", 60, never)
    assert archive.rounds(NAME) == []


def test_a_live_lease_keeps_others_out_and_an_expired_one_does_not(archive: Archive) -> None:
    held = archive.open_round(NAME, 1, "me", 60, no_parent)
    with pytest.raises(RoundBusy, match="packing-0001 is being worked on by me"):
        archive.open_round(NAME, 1, "you", 60, never)
    archive.renew_lease(held.round_id, held.token, -1)
    taken = archive.open_round(NAME, 1, "you", 60, never)
    assert taken.token == 2
    with pytest.raises(StaleLease):
        archive.renew_lease(held.round_id, held.token, 60)
    with pytest.raises(StaleLease, match="the current token is 2, this one is 1"):
        archive.record(result(held, Score(9.0)))
    assert archive.record(result(taken, Score(1.0)))
    assert archive.candidate("packing-0001").fitness == 1.0


def test_renewing_keeps_a_claim(archive: Archive) -> None:
    held = archive.open_round(NAME, 1, "me", -1, no_parent)
    archive.renew_lease(held.round_id, held.token, 60)
    with pytest.raises(RoundBusy):
        archive.open_round(NAME, 1, "you", 60, never)


def test_only_claims_of_the_dead_are_released(archive: Archive) -> None:
    for index, owner in enumerate(["dead", "alive", "dead"]):
        archive.open_round(NAME, index, owner, 3600, no_parent)
    archive.record(result(archive.open_round(NAME, 2, "dead", 3600, never), Score(1.0)))
    assert archive.release_leases(NAME, lambda owner: owner == "dead") == 1
    assert archive.open_round(NAME, 0, "you", 60, never).token == 2
    with pytest.raises(RoundBusy):
        archive.open_round(NAME, 1, "you", 60, never)


def test_a_recorded_round_is_handed_out_as_it_is(archive: Archive) -> None:
    claim = opened(archive, 1)
    archive.record(result(claim, Score(1.0)))
    again = archive.open_round(NAME, 1, "you", 60, never)
    assert again == claim
    archive.renew_lease(again.round_id, again.token, 60)  # a late keeper is no error
    assert not archive.fail_round(again.round_id, again.token, "too late")
    assert not archive.record(result(again, Score(7.0)))
    assert archive.outcome("packing-0001") == Score(1.0)


def test_a_machine_failure_is_kept_apart_and_can_be_run_again(archive: Archive) -> None:
    claim = opened(archive, 1)
    assert archive.fail_round(claim.round_id, claim.token, "disk full", "train")
    (failed,) = archive.rounds(NAME)
    assert (failed.state, failed.reason, failed.failed_step) == ("failed", "disk full", "train")
    assert (failed.outcome_kind, failed.fitness, failed.candidate_id) == (None, None, None)
    assert archive.recorded_rounds(NAME) == frozenset()
    assert archive.outcome(claim.round_id) is None
    again = archive.open_round(NAME, 1, "you", 60, never)
    assert not archive.fail_round(claim.round_id, claim.token, "a stale owner's complaint")
    archive.record(result(again, Score(1.0)))
    (recorded,) = archive.rounds(NAME)
    assert (recorded.state, recorded.reason, recorded.failed_step) == ("recorded", "", "")


def test_summaries_tell_how_each_round_ended(archive: Archive) -> None:
    played(archive, 0, 1.0)
    played(archive, 1, CRASH, parent="packing-0000")
    refused = opened(archive, 2)
    archive.record(RoundResult(refused.round_id, refused.token, DUPLICATE))
    played(archive, 4, 3.0)
    played(archive, 3, 2.0)
    opened(archive, 5)
    told = [(s.index, s.state, s.outcome_kind, s.fitness, s.best_fitness, s.reason) for s in archive.rounds(NAME)]
    assert told == [
        (0, "recorded", "scored", 1.0, 1.0, ""),
        (1, "recorded", "crash", None, 1.0, "divided by zero"),
        (2, "recorded", "duplicate", None, 1.0, "the same as packing-0001"),
        (3, "recorded", "scored", 2.0, 2.0, ""),
        (4, "recorded", "scored", 3.0, 3.0, ""),
        (5, "running", None, None, 3.0, ""),
    ]
    assert archive.rounds(NAME)[1].parent == "packing-0000"
    assert [s.candidate_id for s in archive.rounds(NAME)][1:3] == ["packing-0001", None]
    assert archive.recorded_rounds(NAME) == frozenset({0, 1, 2, 3, 4})


def test_reopening_raises_the_revision_of_the_step_and_of_later_ones(archive: Archive) -> None:
    played(archive, 1, 1.0)
    archive.reopen_round("packing-0001", "benchmark", STEPS)
    assert archive.recorded_rounds(NAME) == frozenset()
    once = archive.open_round(NAME, 1, "me", 60, never)
    assert [once.revision[step] for step in STEPS] == [1, 1, 1, 1, 2, 2, 2]
    archive.fail_round(once.round_id, once.token, "no GPU")
    archive.reopen_round("packing-0001", "propose", STEPS)
    twice = archive.open_round(NAME, 1, "me", 60, never)
    assert [twice.revision[step] for step in STEPS] == [1, 2, 2, 2, 3, 3, 3]


def test_a_rerun_supersedes_the_candidate_and_keeps_it(archive: Archive) -> None:
    played(archive, 0, 1.0)
    played(archive, 1, 9.0)
    archive.reopen_round("packing-0001", "train", STEPS)
    assert archive.best(NAME) == archive.candidate("packing-0001")  # until there is another
    claim = opened(archive, 1)
    assert claim.candidate_id == "packing-0001r2"
    archive.record(result(claim, Score(2.0)))
    assert [c.id for c in archive.top(NAME, 9)] == ["packing-0001r2", "packing-0000"]
    assert [c.id for c in archive.recent(NAME, 9)] == ["packing-0001r2", "packing-0000"]
    assert archive.candidate("packing-0001").fitness == 9.0
    assert archive.find_code(NAME, archive.candidate("packing-0001").code_hash) is None
    assert archive.rounds(NAME)[1].candidate_id == "packing-0001r2"
    assert archive.open_round(NAME, 1, "me", 60, never).candidate_id == "packing-0001r2"


def test_a_rerun_that_ends_without_a_candidate_supersedes_too(archive: Archive) -> None:
    played(archive, 1, 9.0)
    archive.reopen_round("packing-0001", "propose", STEPS)
    claim = opened(archive, 1)
    empty = RoundResult(claim.round_id, claim.token, DUPLICATE)
    assert archive.record(empty)
    assert archive.best(NAME) is None
    archive.reopen_round("packing-0001", "propose", STEPS)
    assert opened(archive, 1).candidate_id == "packing-0001r3"


def test_proposals_that_were_not_run_are_found_newest_first_and_only_those(archive: Archive) -> None:
    vetoes = [Failure(FailureKind.REVIEW, f"vetoed: {index}", "because") for index in range(1, 4)]
    for index, veto in enumerate(vetoes, start=1):
        claim = opened(archive, index)
        archive.record(RoundResult(claim.round_id, claim.token, veto))
    played(archive, 4, CRASH)
    played(archive, 5, 1.0)
    opened(archive, 6)
    assert archive.without_candidate(NAME, 2) == (vetoes[2], vetoes[1])
    assert archive.without_candidate("another", 2) == ()


def test_a_round_in_work_cannot_be_reopened_nor_one_that_is_not_there(archive: Archive) -> None:
    opened(archive, 1)
    with pytest.raises(RoundBusy):
        archive.reopen_round("packing-0001", "train", STEPS)
    with pytest.raises(ArchiveError, match="no round 'packing-0009'"):
        archive.reopen_round("packing-0009", "train", STEPS)
    with pytest.raises(ArchiveError, match="no step 'trian'; steps are retrieve, propose"):
        archive.reopen_round("packing-0001", "trian", STEPS)


def test_an_owner_from_before_a_reopening_cannot_record(archive: Archive) -> None:
    claim = opened(archive, 1)
    archive.fail_round(claim.round_id, claim.token, "lost")
    archive.reopen_round("packing-0001", "propose", STEPS)
    with pytest.raises(StaleLease):
        archive.record(result(claim, Score(1.0)))


def test_a_failure_is_never_a_number(archive: Archive) -> None:
    played(archive, 1, Failure(FailureKind.MEMORY, "2 GB"))
    (summary,) = archive.rounds(NAME)
    assert (summary.fitness, summary.best_fitness, archive.best(NAME)) == (None, None, None)
