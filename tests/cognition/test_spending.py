"""GPU time is reserved before it is used, counted once, and kept when a step fails; calls are summed by role."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from cognition.archive import Archive, RoleSpend
from cognition.records import ModelCall, Score
from tests.cognition.play import CRASH, NAME, evaluation, opened, result

CALL = ModelCall("packing-0001", "researcher", 1, "h", "m", "prompt", "answer", 100, 20, 0.5, 1.0)


def _reserve(archive: Archive, gpu_s: float, limit_s: float | None = None) -> int | None:
    return archive.reserve_gpu(NAME, "packing-0001", "train", gpu_s, limit_s)


def test_a_reservation_counts_until_it_is_settled_with_what_was_used(archive: Archive) -> None:
    use = _reserve(archive, 100.0, limit_s=150.0)
    assert use is not None
    assert archive.committed_gpu_s(NAME) == 100.0
    assert archive.spend(NAME).gpu_s == 0.0
    archive.settle_gpu(use, 30.0)
    archive.settle_gpu(use, 99.0)  # a repeated settlement keeps the first
    assert (archive.committed_gpu_s(NAME), archive.spend(NAME).gpu_s) == (30.0, 30.0)


def test_what_does_not_fit_is_refused_and_reserves_nothing(archive: Archive) -> None:
    assert _reserve(archive, 100.0, limit_s=150.0) is not None
    assert _reserve(archive, 51.0, limit_s=150.0) is None
    assert archive.committed_gpu_s(NAME) == 100.0
    assert _reserve(archive, 50.0, limit_s=150.0) is not None


def test_two_processes_share_one_budget(archive: Archive, archive_url: str) -> None:
    with Archive.open(archive_url) as other:
        assert _reserve(other, 100.0, limit_s=150.0) is not None
    assert _reserve(archive, 100.0, limit_s=150.0) is None


def test_the_worst_case_of_a_killed_step_stands(archive: Archive, archive_url: str) -> None:
    _reserve(archive, 100.0)
    with Archive.open(archive_url) as later:
        assert later.committed_gpu_s(NAME) == 100.0


def test_dollars_of_calls_under_way_are_shared_and_given_back(archive: Archive, archive_url: str) -> None:
    with Archive.open(archive_url) as other:
        hold = other.hold_usd(NAME, 0.75, limit_usd=1.0)
        assert hold is not None
        assert archive.hold_usd(NAME, 0.5, limit_usd=1.0) is None
        assert (archive.committed_usd(NAME), archive.spent_usd(NAME)) == (0.75, 0.0)
        opened(other, 1)
        other.save_call(replace(CALL, price_usd=0.25))
        other.release_usd(hold)
    assert archive.committed_usd(NAME) == archive.spent_usd(NAME) == 0.25
    assert archive.hold_usd(NAME, 0.75, limit_usd=1.0) is not None


def test_what_a_killed_process_set_aside_counts_as_spent_after_a_while(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert archive.hold_usd(NAME, 0.5, limit_usd=1.0) is not None
    monkeypatch.setattr("cognition.spending.LOST_AFTER_S", -1.0)
    assert archive.spent_usd(NAME) == archive.committed_usd(NAME) == 0.5


def test_gpu_time_of_a_recorded_round_is_counted_once(archive: Archive) -> None:
    claim = opened(archive, 1)
    use = archive.reserve_gpu(NAME, claim.round_id, "train", 10.0)
    assert use is not None
    archive.settle_gpu(use, 0.4)
    archive.record(result(claim, Score(1.0), evaluations=(evaluation(1), evaluation(2))))  # say 0.5 between them
    assert archive.spend(NAME).gpu_s == pytest.approx(0.5)
    assert archive.round_gpu_s(claim.round_id) == pytest.approx(0.4)


def test_gpu_time_of_a_candidate_that_failed_is_counted(archive: Archive) -> None:
    claim = opened(archive, 1)
    use = archive.reserve_gpu(NAME, claim.round_id, "train", 10.0)
    assert use is not None
    archive.settle_gpu(use, 7.0)
    archive.record(result(claim, CRASH, evaluations=()))
    assert archive.spend(NAME).gpu_s == 7.0


def test_wall_time_adds_up_over_runs(archive: Archive) -> None:
    archive.add_wall(NAME, 10.0)
    archive.add_wall(NAME, 2.5)
    assert archive.spend(NAME).wall_s == 12.5


def test_calls_are_summed_by_role_and_model_with_the_unpriced_apart(archive: Archive) -> None:
    opened(archive, 1)
    for attempt, (role, model, price) in enumerate(
        [("researcher", "m", 0.5), ("researcher", "m", None), ("analyzer", "m", 0.25), ("analyzer", "n", None)]
    ):
        archive.save_call(replace(CALL, attempt=attempt, role=role, model=model, price_usd=price))
    archive.save_call(replace(CALL, round_id="elsewhere-0001"))
    assert archive.spend_by_role(NAME) == [
        RoleSpend("analyzer", "m", 1, 0, 0.25, 100, 20, 0, 0),
        RoleSpend("analyzer", "n", 1, 1, 0.0, 100, 20, 100, 20),
        RoleSpend("researcher", "m", 2, 1, 0.5, 200, 40, 100, 20),
    ]


def test_the_sums_by_role_do_not_read_the_prompts(empty_archive: Path) -> None:
    with sqlite3.connect(empty_archive) as database:
        plan = database.execute(
            "EXPLAIN QUERY PLAN SELECT role, model, sum(price_usd), sum(prompt_tokens), sum(completion_tokens) "
            "FROM model_calls WHERE campaign = 'c' GROUP BY role, model"
        ).fetchall()
    assert "COVERING INDEX model_calls_by_campaign" in str(plan)
