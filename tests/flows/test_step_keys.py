"""A wrong cache key gives one candidate the score of another; each dependency is checked by changing it alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from flows.config import Settings
from flows.steps import step_key
from tasks.check import Checked
from tasks.engine import STEPS, Engine, Round
from tests.toy_domain import Toy, ToyOptions

SETTINGS = Settings(name="c", problem="tests.toy_domain:Toy")
ROUND = Round("c", 1, 1, "c-0001", "c-0000", (), 0, "ucb1", None, dict.fromkeys(STEPS, 1))


class OnlyDomain:
    """The part of an engine that a key reads."""

    def __init__(self) -> None:
        self.domain = Toy(ToyOptions())


def _key(step: str = "train", settings: Settings = SETTINGS, round: Round = ROUND, *upstream: object) -> str:
    return step_key(step, cast(Engine, OnlyDomain()), settings, round, *(upstream or (Checked("x = 1"), 7)))


def _with(**section: Any) -> Settings:
    return Settings.model_validate({**SETTINGS.model_dump(mode="json"), **section})


CHANGES = {
    "program": lambda: _key("train", SETTINGS, ROUND, Checked("x = 2"), 7),
    "seed of the replicate": lambda: _key("train", SETTINGS, ROUND, Checked("x = 1"), 8),
    "step": lambda: _key("benchmark"),
    "round": lambda: _key(round=replace(ROUND, index=2)),
    "campaign": lambda: _key(round=replace(ROUND, campaign="d")),
    "parent": lambda: _key(round=replace(ROUND, parent="c-0009")),
    "revision of the step": lambda: _key(round=replace(ROUND, revision={**ROUND.revision, "train": 2})),
    "rung settings": lambda: _key(settings=_with(evaluate={"replicates": 2})),
    "sandbox settings": lambda: _key(settings=_with(sandbox={"tier": "landlock"})),
    "problem options": lambda: _key(settings=_with(options={"sleep_s": 1})),
    "campaign seed": lambda: _key(settings=_with(seed=1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_what_the_step_reads_changes_its_key(change: str) -> None:
    assert CHANGES[change]() != _key()


def test_a_proposal_depends_on_those_who_may_refuse_it() -> None:
    assert _key("propose", _with(check={"novelty": "words"})) != _key("propose")
    assert _key("propose", _with(check={"repairs": 0})) == _key("propose")


KEPT = {
    "more rounds": lambda: _key(settings=_with(rounds=99)),
    "other workers": lambda: _key(settings=_with(workers=1)),
    "an analyzer, which train does not read": lambda: _key(settings=_with(analyze={"kind": "model"})),
    "a new claim on the round": lambda: _key(round=replace(ROUND, token=2)),
    "the revision of a later step": lambda: _key(round=replace(ROUND, revision={**ROUND.revision, "analyze": 2})),
}


@pytest.mark.parametrize("change", KEPT)
def test_a_change_of_anything_else_keeps_the_result(change: str) -> None:
    assert KEPT[change]() == _key()
