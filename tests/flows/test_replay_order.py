"""The order of events in a campaign, as a replay needs it; and where two pictures differ."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cognition.archive import Demotion, DrawnRound
from cognition.records import Failure, FailureKind, Recall, Sample
from flows import problem_source
from flows.config import ConfigError
from flows.replaying import command
from flows.replaying.differences import differences, unrepeatable
from flows.replaying.export import ordered
from flows.replaying.order import events
from flows.replaying.records import Picture
from flows.replaying.refusal import is_scripted

REFUSED = Failure(FailureKind.DUPLICATE, "known")


def _round(
    opened: int, index: int, sees: int, sequence: int | None, retrieved: str = "", ended: str = ""
) -> DrawnRound:
    sample = Sample(None, (), sees, "ucb1")
    outcome = None if sequence is not None else REFUSED
    is_recorded = sequence is not None or bool(ended)
    return DrawnRound(
        f"c-{index:04d}", index, opened, sample, is_recorded, False, None, sequence, outcome, retrieved, ended
    )


def _told(*rounds: DrawnRound, demotions: tuple[Demotion, ...] = ()) -> list[str]:
    return [f"{event.kind} {event.candidate or event.round}" for event in events(rounds, demotions)]


def test_rounds_in_flight_together_are_drawn_before_the_first_is_recorded() -> None:
    assert _told(_round(1, 0, 0, 1), _round(2, 1, 1, 3), _round(3, 2, 1, 2), _round(4, 3, 2, 4)) == [
        "draw 0",
        "record 0",
        "draw 1",
        "draw 2",
        "record 2",
        "draw 3",
        "record 1",
        "record 3",
    ]


def test_a_round_without_candidate_is_placed_by_time_and_a_killed_one_only_draws() -> None:
    refused = _round(2, 1, 1, None, "10:01", "10:05")
    killed = _round(3, 2, 1, None, "10:02")
    later = _round(4, 3, 1, 2, "10:06", "10:09")
    assert _told(_round(1, 0, 0, 1, "10:00", "10:00"), refused, killed, later) == [
        "draw 0",
        "record 0",
        "draw 1",
        "draw 2",
        "record 1",
        "draw 3",
        "record 3",
    ]


def test_verdicts_come_between_the_samples_that_they_came_between() -> None:
    demoted = Demotion("c-0001", "explore", -1.0, 4, since=2, until=3, created_at="")
    rounds = (_round(1, 0, 0, 1), _round(2, 1, 1, 2), _round(3, 2, 2, 3), _round(4, 3, 3, 4))
    assert _told(*rounds, demotions=(demoted,)) == [
        "draw 0",
        "record 0",
        "draw 1",
        "record 1",
        "demote c-0001",
        "draw 2",
        "record 2",
        "reinstate c-0001",
        "draw 3",
        "record 3",
    ]


def test_items_that_were_left_out_take_the_places_that_the_draws_left() -> None:
    round = _round(1, 7, 0, 1)
    recalls = [Recall("a", 1, True, 0.5), Recall("b", 1, True, 0.5), Recall("c", 1, False, 0.5)]
    # The campaign's seed decides which of three places is left out in round 7; look for one that leaves out the middle.
    from cognition.randomness import derive

    def draws(seed: int) -> list[bool]:
        rng = derive(seed, 7, "recall", 1)
        return [rng.random() >= 0.5 for _ in recalls]

    seed = next(seed for seed in range(1_000) if draws(seed) == [True, False, True])
    assert [one.item for one in ordered(round, recalls, ("b", "a"), seed)] == ["b", "c", "a"]
    with pytest.raises(ConfigError, match="c-0007: which cognition items"):
        ordered(round, recalls, ("b",), seed)


def test_pictures_differ_where_they_differ_and_to_the_last_bit() -> None:
    score = {"kind": "scored", "fitness": 0.1 + 0.2}
    one = {"code": "x", "outcome": score, "evaluations": [{"metrics": {"m": 1.0}}]}
    other = {"code": "x", "outcome": score | {"fitness": 0.3}, "evaluations": [{"metrics": {"m": 1.0}}]}
    same = Picture({0: one}, (), ("c-0000",))
    assert differences("c", same, same) == ()
    (found,) = differences("c", same, Picture({0: other}, (), ("c-0000",)))
    assert (found.where, found.what, found.recorded) == ("c-0000", "outcome.fitness", "0.30000000000000004")
    assert unrepeatable("c", same, Picture({0: other}, (), ())) == ()  # measured alike, scored otherwise
    drifted = one | {"evaluations": [{"metrics": {"m": 1.5}}]}
    assert unrepeatable("c", same, Picture({0: drifted}, (), ())) == ("c-0000",)
    missing = differences("c", same, Picture({}, (), ()))
    assert {each.where for each in missing} == {"c-0000", "ranking"}


def test_a_problem_has_the_hash_of_its_files_wherever_it_lies(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "__pycache__").mkdir(parents=True)
        (folder / "problem.py").write_text("x = 1\n")
        (folder / "__pycache__" / "problem.pyc").write_text(name)

    def hashed(name: str) -> str:
        return problem_source.hashed(problem_source.files_of(tmp_path / name), tmp_path / name)

    assert hashed("one") == hashed("two")
    (tmp_path / "two" / "problem.py").write_text("x = 2\n")
    assert hashed("one") != hashed("two")


def test_only_a_script_on_this_machine_is_scripted() -> None:
    assert is_scripted("scripted-a", "http://localhost:80/v1")
    assert is_scripted("scripted", "http://[::1]:80/v1")
    assert not is_scripted("scripted", "http://127.0.0.1.example.com/v1")
    assert not is_scripted("llama", "http://127.0.0.1:11434/v1")


def test_the_report_says_what_differs_and_whose_promise_that_breaks() -> None:
    found: dict[str, Any] = {
        "rounds_replayed": 2,
        "rounds_recorded": 3,
        "sandbox_tier": "landlock",
        "answers": 4,
        "identical": False,
        "stopped": "c-0002: the prompt is not the recorded one",
        "not_repeatable": ["c-0001"],
        "deterministic": True,
        "differences": [{"where": "c-0001", "what": "outcome.fitness", "recorded": "1.0", "replayed": "[red]1.5"}] * 20,
        "home": "/h",
    }
    console = Console(record=True, width=300, file=io.StringIO())
    command.show(console, found)
    text = console.export_text()
    assert "not identical: 2 of 3 rounds replayed (landlock), 20 differences" in text
    assert "it stopped: c-0002: the prompt is not the recorded one" in text
    assert "does not repeat although the problem says that it is deterministic: in 1 rounds" in text
    assert "[red]1.5" in text
    assert "and 8 more" in text
