"""The outbox hands out each publication until it is published, and holds it once."""

from __future__ import annotations

from cognition.archive import Archive
from cognition.records import STEPS
from tests.cognition.play import NAME, opened, played


def steps_pending(archive: Archive) -> list[tuple[str, int, str]]:
    return [(entry.round_id, entry.revision, entry.step) for entry in archive.pending(100)]


def test_entries_come_oldest_first_and_only_until_published(archive: Archive) -> None:
    opened(archive, 1)
    for step in ("retrieve", "propose", "check"):
        assert archive.enqueue(NAME, "packing-0001", step, {"step": step})
    first, second = archive.pending(2)
    assert (first.payload, second.payload) == ({"step": "retrieve"}, {"step": "propose"})
    archive.mark_published([first.id, second.id])
    archive.mark_published([])
    assert [entry.payload for entry in archive.pending(2)] == [{"step": "check"}]


def test_a_step_is_queued_once_per_revision(archive: Archive) -> None:
    played(archive, 1, 1.0)
    assert archive.enqueue(NAME, "packing-0001", "train", {"n": 1})
    assert not archive.enqueue(NAME, "packing-0001", "train", {"n": 2})
    archive.mark_published([archive.pending(1)[0].id])
    assert not archive.enqueue(NAME, "packing-0001", "train", {"n": 3})
    archive.reopen_round("packing-0001", "train", STEPS)
    assert archive.enqueue(NAME, "packing-0001", "train", {"n": 4})
    assert not archive.enqueue(NAME, "packing-0001", "train", {"n": 5})
    assert [(entry.revision, entry.payload) for entry in archive.pending(9)] == [(2, {"n": 4})]


def test_a_step_before_the_reopened_one_is_not_published_again(archive: Archive) -> None:
    played(archive, 1, 1.0)
    archive.enqueue(NAME, "packing-0001", "propose", {})
    archive.reopen_round("packing-0001", "train", STEPS)
    assert not archive.enqueue(NAME, "packing-0001", "propose", {})


def test_a_campaign_has_publications_of_its_own(archive: Archive) -> None:
    assert archive.enqueue(NAME, NAME, "round:1", {})
    assert archive.enqueue(NAME, NAME, "round:2", {})
    assert not archive.enqueue(NAME, NAME, "round:2", {})
    assert steps_pending(archive) == [(NAME, 1, "round:1"), (NAME, 1, "round:2")]


def test_requeueing_publishes_one_campaign_again(archive: Archive) -> None:
    archive.create_campaign("other", "p", 0, {}, "1")
    for campaign in (NAME, "other"):
        archive.enqueue(campaign, campaign, "summary", {})
    archive.mark_published(entry.id for entry in archive.pending(9))
    assert archive.requeue(NAME) == 1
    assert steps_pending(archive) == [(NAME, 1, "summary")]
