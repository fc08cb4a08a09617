"""Spending in reports: by role, and never 0 for a price that is not known."""

from __future__ import annotations

from pathlib import Path

from cognition.archive import Archive
from cognition.records import ModelCall, Score
from flows import spending
from tests.cognition.play import NAME, new_archive, opened, result

CALL = ModelCall("packing-0001", "researcher", 1, "h", "m", "prompt", "answer", 100, 20, None, 1.0)
PAID = ModelCall("packing-0001", "analyzer", 1, "h", "m", "prompt", "answer", 100, 20, 0.25, 1.0)


def _archive(folder: Path, *calls: ModelCall) -> Archive:
    archive = new_archive(folder)
    claim = opened(archive, 1)
    for call in calls:
        archive.save_call(call)
    use = archive.reserve_gpu(NAME, claim.round_id, "train", 36.0)
    assert use is not None
    archive.settle_gpu(use, 18.0)
    archive.record(result(claim, Score(1.0)))
    return archive


def test_a_campaign_s_spending_by_role_and_its_budgets(tmp_path: Path) -> None:
    with _archive(tmp_path, CALL, PAID) as archive:
        archive.create_campaign(NAME, "circle_packing", 0, {"limits": {"max_usd": 5.0, "machine_failures": 3}}, "1")
        report = spending.campaign_report(archive, archive.campaign(NAME))
    assert report["budgets"] == {"max_usd": 5.0}
    assert report["spend"]["by_role"] == {
        "analyzer": {"dollars": 0.25, "calls": 1, "unpriced_calls": 0, "tokens": 120},
        "researcher": {"dollars": None, "calls": 1, "unpriced_calls": 1, "tokens": 120},
    }
    assert spending.line(report["spend"]).startswith(
        "$0.25 and 1 calls of unknown price (analyzer $0.25, researcher price unknown), 2 calls"
    )


def test_a_candidate_s_spending_has_its_gpu_time(tmp_path: Path) -> None:
    with _archive(tmp_path, PAID) as archive:
        candidate = archive.candidate("packing-0001")
        evaluations = archive.evaluations(candidate.id)
        report = spending.candidate_report(archive, candidate, archive.calls("packing-0001"), evaluations)
    assert (report["dollars"], report["calls"], report["cpu_s"], report["gpu_s"]) == (0.25, 1, 1.5, 18.0)
    assert spending.line(report) == "$0.25 (analyzer $0.25), 1 calls, 2 CPU-s, 0.005 GPU-hours"


def test_calls_without_any_known_price_are_not_free(tmp_path: Path) -> None:
    with _archive(tmp_path, CALL) as archive:
        spend = spending.campaign_report(archive, archive.campaign(NAME))["spend"]
    assert spend["dollars"] is None
    assert spending.line(spend).startswith("price unknown")
