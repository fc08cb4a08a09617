"""Several processes sharing a campaign, played by several `Turns` on one archive."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cognition.archive import Archive, RoundResult
from cognition.records import Failure, FailureKind, Sample, round_id
from flows import turns
from flows.claim import owner
from flows.config import Settings
from flows.turns import Turns

SETTINGS = Settings.model_validate({"name": "shared", "problem": "toy", "rounds": 4, "lease_s": 5})
DUPLICATE = Failure(FailureKind.DUPLICATE, "the same")


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr(turns, "POLL_S", 0.01)
    with Archive.open(f"sqlite:///{tmp_path / 'archive.db'}") as opened:
        opened.create_campaign("shared", "toy", 0, {}, "1")
        yield opened


def as_process(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(turns, "owner", lambda: name)


def record(archive: Archive, index: int, owner: str) -> None:
    claim = archive.open_round("shared", index, owner, 60, lambda view: Sample(None, (), view.sequence, "none"))
    archive.record(RoundResult(claim.round_id, claim.token, DUPLICATE))


async def going_on() -> bool:
    return False


async def told_to_stop() -> bool:
    return True


async def test_two_processes_never_get_the_same_round(archive: Archive) -> None:
    first, second = Turns(archive, SETTINGS), Turns(archive, SETTINGS)
    taken = [await process.next(going_on) for process in (first, second, first, second)]
    assert taken == [1, 2, 3, 4]


async def test_a_recorded_campaign_leaves_nothing_to_do(archive: Archive) -> None:
    for index in range(5):
        record(archive, index, "host/boot/1/1.00")
    process = Turns(archive, SETTINGS)
    assert not await process.wants_baseline(going_on)
    assert await process.next(going_on) is None


async def test_the_last_one_waits_for_what_others_have_and_takes_what_they_leave(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_process(monkeypatch, "other/boot/1/1.00")
    other = Turns(archive, SETTINGS)
    for index in (1, 2):
        assert await other.next(going_on) == index
    as_process(monkeypatch, "me/boot/2/1.00")
    process = Turns(archive, SETTINGS)
    for index in (3, 4):
        assert await process.next(going_on) == index
        record(archive, index, "me/boot/2/1.00")
    waiting = asyncio.create_task(process.next(going_on))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    other.give_up(1, "its machine is out of order")
    assert await asyncio.wait_for(waiting, 5) == 1
    record(archive, 1, "me/boot/2/1.00")
    waiting = asyncio.create_task(process.next(going_on))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    record(archive, 2, "other/boot/1/1.00")
    assert await asyncio.wait_for(waiting, 5) is None


async def test_a_round_that_failed_here_is_not_tried_here_again(archive: Archive) -> None:
    process = Turns(archive, SETTINGS.model_copy(update={"rounds": 1}))
    assert await process.next(going_on) == 1
    process.give_up(1, "no disk")
    assert await process.next(going_on) is None
    assert await Turns(archive, SETTINGS).next(going_on) == 1  # another process does


async def test_the_baseline_is_run_by_one_and_waited_for_by_the_others(archive: Archive) -> None:
    first, second = Turns(archive, SETTINGS), Turns(archive, SETTINGS)
    assert await first.wants_baseline(going_on)
    waiting = asyncio.create_task(second.wants_baseline(going_on))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    record(archive, 0, owner())
    assert await asyncio.wait_for(waiting, 5) is False


async def test_who_is_stopped_waits_no_longer(archive: Archive) -> None:
    first, second = Turns(archive, SETTINGS), Turns(archive, SETTINGS)
    assert await first.wants_baseline(going_on)
    assert not await second.wants_baseline(told_to_stop)
    assert await second.next(told_to_stop) is None


def test_a_reservation_is_a_claim_that_its_owner_opens_and_others_do_not_get(archive: Archive) -> None:
    assert archive.reserve_round("shared", 1, "me", 60) == 1
    assert archive.reserve_round("shared", 1, "me", 60) is None
    assert archive.reserve_round("shared", 1, "you", 60) is None
    assert archive.busy_rounds("shared", besides="you") == {1}
    assert archive.busy_rounds("shared", besides="me") == frozenset()
    record(archive, 1, "me")
    assert archive.reserve_round("shared", 1, "you", 60) is None
    assert archive.outcome(round_id("shared", 1)) == DUPLICATE
    assert archive.reserve_round("shared", 2, "me", -1) == 1
    assert archive.reserve_round("shared", 2, "you", 60) == 2  # the lease had ended
