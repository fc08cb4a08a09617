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
from flows.budgets import book_of
from flows.meter import Meter
from tasks.engine import Engine
from tasks.llm import Budget, BudgetExhausted, BudgetLimits, Spent
from tests.cognition.play import NAME, new_archive, url
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
    held = budget.reserve(Spent(1.5 * ROUND_USD))
    waiting = asyncio.create_task(meter.money_stop())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    budget.settle(held, Spent(0.5 * ROUND_USD))
    assert await asyncio.wait_for(waiting, timeout=2) is None
    budget.settle(budget.reserve(Spent()), Spent(0.6 * ROUND_USD))
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


async def test_two_processes_share_the_dollars_of_a_campaign(tmp_path: Path) -> None:
    asked = settings(limits={"max_usd": 1.0})
    with new_archive(tmp_path) as here, Archive.open(url(tmp_path)) as there:
        first, second = (Budget(BudgetLimits(1.0), book=book_of(archive, asked)) for archive in (here, there))
        held = first.reserve(Spent(0.75))
        with pytest.raises(BudgetExhausted, match=r"0 spent, 0\.75 reserved by calls under way, up to 0\.5 more"):
            second.reserve(Spent(0.5))
        waiting = asyncio.create_task(second.hold(Spent(0.5)))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        first.settle(held, Spent(0.5), in_ledger_usd=0.0)  # of a call that its server did not count
        assert (await asyncio.wait_for(waiting, timeout=2)).in_book is not None
        assert (first.committed.dollars, second.committed.dollars) == (1.0, 0.5)


def test_time_before_a_retry_counts_for_the_run_and_not_twice_for_all_runs(engine: Engine) -> None:
    asked = settings(limits={"max_wall_h": 1.0, "max_total_wall_h": 2.0})
    assert Meter(engine, asked, None).time_stop() is None
    taken_up = Meter(engine, asked, None, earlier_s=3_601.0)
    assert "limits.max_wall_h" in str(taken_up.time_stop())
    engine.archive.add_wall(NAME, 3_601.0)  # which the first try has stored
    assert "limits.max_wall_h" in str(Meter(engine, asked, None, earlier_s=3_601.0).time_stop())
    assert Meter(engine, asked, None, earlier_s=1_800.0).time_stop() is None
