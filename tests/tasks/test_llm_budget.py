"""A budget reserves the worst case, counts what was used, and refuses what does not fit."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.llm import Budget, BudgetExhausted, BudgetLimits, Spent


@pytest.mark.parametrize(
    ("limits", "unit"),
    [(BudgetLimits(dollars=1.0), "dollars"), (BudgetLimits(tokens=100), "tokens"), (BudgetLimits(calls=1), "calls")],
)
def test_each_limit_refuses_by_name(limits: BudgetLimits, unit: str) -> None:
    budget = Budget(limits)
    budget.reserve(Spent(1.0, 100, 1))
    with pytest.raises(BudgetExhausted, match=unit):
        budget.reserve(Spent(0.5, 50, 1))


def test_a_reservation_comes_back_and_only_what_was_used_counts() -> None:
    budget = Budget(BudgetLimits(dollars=1.0))
    held = budget.reserve(Spent(1.0, 100, 1))
    budget.settle(held, Spent(0.25, 10, 1))
    assert budget.spent == Spent(0.25, 10, 1)
    budget.reserve(Spent(0.75, 100, 1))


def test_a_refused_reservation_holds_nothing() -> None:
    budget = Budget(BudgetLimits(calls=2))
    with pytest.raises(BudgetExhausted):
        budget.reserve(Spent(calls=3))
    budget.reserve(Spent(calls=2))


def test_what_earlier_processes_spent_counts() -> None:
    with pytest.raises(BudgetExhausted, match="9 spent"):
        Budget(BudgetLimits(calls=9), Spent(calls=9)).reserve(Spent(calls=1))


def test_without_limits_everything_fits() -> None:
    budget = Budget(BudgetLimits())
    budget.reserve(Spent(1e9, 10**12, 10**6))
    assert budget.spent == Spent()


async def test_a_call_that_fits_once_others_are_settled_waits_for_them() -> None:
    budget = Budget(BudgetLimits(dollars=1.0))
    held = budget.reserve(Spent(0.9))
    waiting = asyncio.create_task(budget.hold(Spent(0.5)))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    budget.settle(held, Spent(0.4))
    await asyncio.wait_for(waiting, timeout=2)
    assert budget.committed.dollars == pytest.approx(0.9)


async def test_a_call_that_will_never_fit_does_not_wait() -> None:
    budget = Budget(BudgetLimits(dollars=1.0), Spent(0.6))
    budget.reserve(Spent(0.1))
    with pytest.raises(BudgetExhausted):
        await asyncio.wait_for(budget.hold(Spent(0.5)), timeout=2)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.floats(0, 1)), max_size=30),
    st.integers(0, 300),
)
def test_spent_never_passes_the_limit_if_no_call_uses_more_than_it_reserved(
    calls: list[tuple[int, float]], limit: int
) -> None:
    budget = Budget(BudgetLimits(tokens=limit))
    for reserved, share in calls:
        try:
            held = budget.reserve(Spent(tokens=reserved))
        except BudgetExhausted:
            assert budget.spent.tokens + reserved > limit
            continue
        budget.settle(held, Spent(tokens=int(reserved * share)))
    assert budget.spent.tokens <= limit
