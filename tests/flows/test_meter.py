"""The meter waits for calls under way before it says that the money is gone, and adds wall time up in the archive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from cognition.archive import Archive
from flows.meter import Meter
from tasks.engine import Engine
from tasks.llm import Budget, BudgetExhausted, BudgetLimits, Spent
from tests.cognition.play import NAME, new_archive
from tests.flows.test_budgets import ANALYZER_USD, RESEARCHER_USD, settings
from tests.toy_domain import Toy, ToyOptions

ROUND_USD = RESEARCHER_USD + ANALYZER_USD


@dataclass(frozen=True)
class Parts:
    """What of an engine the meter reads."""

    archive: Archive
    domain: Toy = field(default_factory=lambda: Toy(ToyOptions()))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with new_archive(tmp_path) as archive:
        yield cast(Engine, Parts(archive))


async def test_calls_under_way_are_waited_for_before_the_campaign_ends(engine: Engine) -> None:
    budget = Budget(BudgetLimits(dollars=2 * ROUND_USD))
    meter = Meter(engine, settings(limits={"max_usd": 2 * ROUND_USD}), budget)
    budget.reserve(Spent(1.5 * ROUND_USD))
    waiting = asyncio.create_task(meter.money_stop())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    budget.settle(Spent(1.5 * ROUND_USD), Spent(0.5 * ROUND_USD))
    assert await asyncio.wait_for(waiting, timeout=2) is None
    budget.settle(Spent(), Spent(0.6 * ROUND_USD))
    assert "limits.max_usd" in str(await meter.money_stop())


def test_a_budget_that_ran_out_within_a_round_says_how_to_go_on(engine: Engine) -> None:
    meter = Meter(engine, settings(limits={"max_usd": 3.0}), None)
    sentence = meter.exhausted(BudgetExhausted("The budget of 3 dollars is short. Raise the limit to go on."))
    assert sentence == (
        "the budget is used up within a round: The budget of 3 dollars is short; "
        "`nightshift resume packing --set limits.max_usd=6` goes on"
    )


def test_wall_time_is_stored_piece_by_piece(engine: Engine) -> None:
    begun = time.monotonic()
    meter = Meter(engine, settings(), None)
    time.sleep(0.05)
    meter.count_wall()
    assert engine.archive.spend(NAME).wall_s >= 0.05
    meter.count_wall()
    assert engine.archive.spend(NAME).wall_s <= time.monotonic() - begun
