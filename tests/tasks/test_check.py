"""Checks and repairs: the debugger has its tries, also after a crash, and the rules review before a round is spent."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cognition.records import Failure, FailureKind, Provenance
from tasks import check as checking
from tasks.agents import RuleReviewer
from tasks.check import Checked, check, repair, static_faults
from tasks.contract import Brief
from tasks.engine import STEPS, Engine, Round
from tasks.propose import Proposed
from tasks.settings import CheckSettings
from tests.toy_domain import Toy, ToyOptions

ROUND = Round("c", 1, 1, "c-0001", None, (), 0, "none", None, dict.fromkeys(STEPS, 1))
CRASH = Failure(FailureKind.CRASH, "it crashed")
NO_X = Failure(FailureKind.CHECK, "no-x: assign x")


@pytest.fixture(autouse=True)
def _no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "parse", lambda code, sandbox, max_kb, is_tree: None)


@dataclass
class Scripted:
    """A debugger that returns its programs one after the other, and remembers what it was told."""

    programs: list[str | Failure]
    told: list[tuple[str, str, int]] = field(default_factory=list)

    async def repair(self, code: str, failure: Failure, brief: Brief, round_id: str, attempt: int) -> str | Failure:
        self.told.append((code, failure.reason, attempt))
        return self.programs[attempt]


def engine(debugger: Scripted, repairs: int = 3) -> Engine:
    domain = Toy(ToyOptions())
    parts: dict[str, Any] = {"domain": domain, "brief": domain.brief(), "debugger": debugger, "sandbox": None}
    return cast(Engine, SimpleNamespace(check=CheckSettings(repairs=repairs), **parts))


async def test_each_try_sees_the_last_program_and_what_is_wrong_with_it() -> None:
    debugger = Scripted(["y = 2", "z = 3", "x = 4"])
    found = await check(engine(debugger), ROUND, Proposed("y = 1", "why", Provenance("openai")))
    assert found == Checked("x = 4", 3)
    assert debugger.told == [("y = 1", NO_X.reason, 0), ("y = 2", NO_X.reason, 1), ("z = 3", NO_X.reason, 2)]


async def test_no_more_tries_than_are_set() -> None:
    debugger = Scripted(["y = 2", "z = 3", "x = 4"])
    assert await check(engine(debugger, 2), ROUND, Proposed("y = 1", "why", Provenance("openai"))) == NO_X
    assert len(debugger.told) == 2


async def test_a_repair_after_a_crash_that_breaks_a_rule_is_tried_again_with_what_is_left() -> None:
    debugger = Scripted(["y = 2", "x = 3"])
    assert await repair(engine(debugger), ROUND, Checked("x = 1  # crash"), CRASH) == Checked("x = 3", 2)
    assert [reason for _, reason, _ in debugger.told] == ["it crashed", NO_X.reason]


async def test_without_a_repair_the_crash_itself_stands() -> None:
    assert await repair(engine(Scripted(["y = 2"]), 1), ROUND, Checked("x = 1"), CRASH) == CRASH
    assert await repair(engine(Scripted([NO_X])), ROUND, Checked("x = 1"), CRASH) == CRASH
    assert await repair(engine(Scripted([]), 3), ROUND, Checked("x = 1", 3), CRASH) == CRASH


async def test_the_rules_review_a_proposal() -> None:
    domain = Toy(ToyOptions())
    reviewer = RuleReviewer(partial(static_faults, domain, cast(Any, None), 100))
    assert await reviewer.review("x = 1", domain.brief(), "c-0001") is None
    refused = await reviewer.review("y = 1", domain.brief(), "c-0001")
    assert refused == Failure(FailureKind.REVIEW, "it breaks the contract: no-x: assign x")
