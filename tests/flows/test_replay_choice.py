"""Which of several models a round asks, in a replay and in a retry: the one that it asked before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cognition.archive import Archive
from cognition.records import ModelCall, Score
from flows.replaying.records import Cassette, Header, Picture
from flows.replaying.world import ReplayArchive, Tape
from tasks.engine import STEPS, Round
from tasks.retrieve import _researcher
from tests.cognition.play import NAME, add_campaign, new_archive, opened, result, url

MODELS = ("cheap", "dear")


def _call(index: int, model: str) -> ModelCall:
    return ModelCall(f"{NAME}-{index:04d}", "researcher", 1, f"h{index}", model, "p", "a", 1, 1, 0.1, 1.0)


def _recorded(archive: Archive, index: int, model: str, fitness: float, parent: str | None) -> None:
    claim = opened(archive, index, parent)
    archive.save_call(_call(index, model))
    archive.record(result(claim, Score(fitness)))


def _history(archive: Archive) -> None:
    """Eleven rounds after which the cheap model is the better one."""
    _recorded(archive, 0, "none", 1.0, None)
    for index in range(1, 11):
        _recorded(archive, index, "cheap", 2.0, f"{NAME}-0000")
    _recorded(archive, 11, "dear", 0.5, f"{NAME}-0000")


@dataclass
class _Engine:
    """What the choice reads of one."""

    archive: Archive
    campaign: str = NAME
    seed: int = 0
    researchers: tuple[str, ...] = MODELS
    exploration: float = 0.0


def _chosen(archive: Archive, index: int, revision: int = 1) -> str:
    round = Round(NAME, index, 1, "c", None, (), 0, "none", None, dict.fromkeys(STEPS, revision))
    engine: Any = _Engine(archive)
    return _researcher(engine, round)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """With the history in it."""
    with new_archive(tmp_path) as archive:
        _history(archive)
        yield archive


def test_a_replayed_round_asks_whom_it_asked_whatever_the_archive_says_when_it_is_drawn(tmp_path: Path) -> None:
    """In the recording round 11 was recorded after the sample of 12 was drawn and before its model was chosen."""
    header = Header(1, NAME, "toy", "s", "1", 0, {}, "full", "0")
    cassette = Cassette(header, (), {}, (), (), (), (_call(12, "dear"),), Picture({}, (), ()))
    with ReplayArchive.on(url(tmp_path), Tape(cassette)) as replay:
        add_campaign(replay)
        _history(replay)
        assert _chosen(replay, 13) == "cheap"  # what the bandit would say
        assert _chosen(replay, 12) == "dear"


def test_a_round_whose_choice_was_lost_goes_on_with_the_model_that_it_asked(archive: Archive) -> None:
    assert _chosen(archive, 12) == "cheap"
    opened(archive, 12)
    archive.save_call(_call(12, "dear"))
    assert _chosen(archive, 12) == "dear"
    assert _chosen(archive, 12, revision=2) == "cheap"  # one that is rerun chooses anew


def test_a_model_that_is_not_set_any_more_is_not_asked_again(archive: Archive) -> None:
    opened(archive, 12)
    archive.save_call(_call(12, "retired"))
    assert _chosen(archive, 12) == "cheap"
