"""What the bandit reads: gain over the parent and cost, by model, of the newest recorded rounds."""

from __future__ import annotations

from cognition.archive import Archive
from cognition.arms import Tried
from cognition.records import Failure, FailureKind, ModelCall
from tests.flows.report.scenes import NAME, play


def call(
    archive: Archive, index: int, model: str, price_usd: float, attempt: int = 0, role: str = "researcher"
) -> None:
    round_id = f"{NAME}-{index:04d}"
    archive.save_call(ModelCall(round_id, role, attempt, f"h{attempt}", model, "p", "a", 1, 1, price_usd, 1.0))


def test_gain_and_cost_by_model(archive: Archive) -> None:
    first = play(archive, 0, 1.0)
    play(archive, 1, 1.5, first)
    call(archive, 1, "dear", 0.25)
    call(archive, 1, "dear", 0.25, attempt=1)
    call(archive, 1, "other", 9.0, role="analyzer")
    play(archive, 2, 0.5, first)  # worse: no gain, and no negative one
    call(archive, 2, "cheap", 0.01)
    play(archive, 3, Failure(FailureKind.UNUSABLE, "no code"), first)  # no candidate, and paid for all the same
    call(archive, 3, "cheap", 0.02)
    play(archive, 4, Failure(FailureKind.CRASH, "it crashed"), first)
    call(archive, 4, "dear", 0.5)
    assert archive.tried(NAME, 10) == [
        Tried("dear", 0.5, 0.5),
        Tried("cheap", 0.0, 0.01),
        Tried("cheap", 0.0, 0.02),
        Tried("dear", 0.0, 0.5),
    ]
    assert [one.model for one in archive.tried(NAME, 2)] == ["cheap", "dear"]
    assert archive.tried("another", 10) == []
