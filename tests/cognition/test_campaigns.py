"""Campaigns: created once, refused when they differ, and their spending."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from cognition.archive import Archive, ArchiveError, CampaignMismatch, Spend
from cognition.records import Evaluation, ModelCall, Score
from tests.cognition.play import CRASH, NAME, evaluation, no_parent, opened, result

CALL = ModelCall("packing-0001", "researcher", 1, "h", "m", "prompt", "answer", 100, 20, 0.5, 1.0)


def test_creating_again_updates_only_the_settings(archive: Archive) -> None:
    before = archive.campaign(NAME)
    archive.create_campaign(NAME, "circle_packing", 0, {"rounds": 99}, "1")
    assert archive.campaign(NAME) == replace(before, settings={"rounds": 99})


@pytest.mark.parametrize(
    ("problem", "seed", "version", "said"),
    [
        ("drug_target", 0, "1", "its problem is 'circle_packing', not 'drug_target'"),
        ("circle_packing", 7, "1", "its seed is 0, not 7"),
        ("circle_packing", 0, "2", "its contract_version is '1', not '2'"),
    ],
)
def test_another_identity_is_refused_and_named(
    archive: Archive, problem: str, seed: int, version: str, said: str
) -> None:
    with pytest.raises(CampaignMismatch, match=said):
        archive.create_campaign(NAME, problem, seed, {"rounds": 99}, version)
    assert archive.campaign(NAME).settings == {"rounds": 10}


def test_campaigns_are_listed_newest_first(archive: Archive) -> None:
    for name in ("b", "a"):
        time.sleep(0.005)
        archive.create_campaign(name, "p", 0, {}, "1")
    assert [campaign.name for campaign in archive.campaigns()] == ["a", "b", NAME]


def test_an_unknown_campaign_is_answered_with_the_known_ones(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match="no campaign 'pakcing'; known: packing"):
        archive.campaign("pakcing")
    with pytest.raises(ArchiveError, match="no campaign 'pakcing'; known: packing"):
        archive.open_round("pakcing", 0, "me", 60, no_parent)


def test_a_campaign_that_does_not_exist_has_nothing(archive: Archive) -> None:
    assert archive.spend("new") == Spend()
    assert archive.recorded_rounds("new") == frozenset()
    assert archive.rounds("new") == []
    assert archive.best("new") is None


def test_spend_sums_calls_and_sandbox_time_and_counts_unknown_prices(archive: Archive) -> None:
    claim = opened(archive, 1)
    for attempt, price in enumerate([0.5, None, 0.25]):
        archive.save_call(replace(CALL, attempt=attempt, price_usd=price))
    archive.save_call(replace(CALL, attempt=0))  # paid before
    archive.record(result(claim, Score(1.0), evaluations=(evaluation(1), evaluation(2))))
    other = opened(archive, 2)
    archive.record(result(other, CRASH, evaluations=()))
    assert archive.spend(NAME) == Spend(0.75, 300, 60, 3, 1, 3.0, 0.5)
    assert archive.spend(NAME).tokens == 360


def test_a_call_for_the_campaign_itself_is_its_spending(archive: Archive) -> None:
    archive.save_call(replace(CALL, round_id=NAME))
    archive.save_call(replace(CALL, round_id="nobody-0001"))  # kept all the same
    assert archive.spend(NAME).dollars == 0.5
    assert archive.calls("nobody-0001") == [replace(CALL, round_id="nobody-0001")]


def test_the_totals_are_what_the_rows_add_up_to(archive: Archive) -> None:
    for index in range(20):
        claim = opened(archive, index)
        archive.save_call(replace(CALL, round_id=claim.round_id, price_usd=None if index % 3 else 0.1 * index))
        measured = tuple(evaluation(seed) for seed in range(index % 4))
        archive.record(result(claim, Score(1.0), evaluations=measured))
    rows: list[Evaluation] = [e for i in range(20) for e in archive.evaluations(f"packing-{i:04d}")]
    calls = [call for i in range(20) for call in archive.calls(f"packing-{i:04d}")]
    spend = archive.spend(NAME)
    assert spend.cpu_s == pytest.approx(sum(row.measurements.cost.cpu_s for row in rows))
    assert spend.dollars == pytest.approx(sum(call.price_usd or 0.0 for call in calls))
    assert (spend.calls, spend.unpriced_calls) == (len(calls), sum(call.price_usd is None for call in calls))
