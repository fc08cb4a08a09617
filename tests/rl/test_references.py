"""The paper's algorithms in our reading: the bound that B keeps, what A is with rewards of 0 and 1 and with others."""

from __future__ import annotations

import math
import types
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rl.inside.surface import Context
from rl.reference import CONTROLS, NAMES, program


def module(name: str) -> Any:
    made = types.ModuleType(name)
    exec(compile(program(name), name, "exec"), made.__dict__)  # a file of ours, not a candidate
    return made


def context(count: int, size: int, tokens: float = 1.0) -> Context:
    ids = torch.arange(count) // size
    chance = torch.Generator().manual_seed(0)
    return Context(0, 10, 1, size, 0.2, 0.2, 0.0, 4, tokens, ids, chance)


A, B = module("algorithm_a"), module("algorithm_b")
finite = st.floats(-30.0, 30.0, width=32)


@given(st.lists(st.tuples(finite, st.floats(-3.0, 3.0, width=32)), min_size=1, max_size=20))
def test_the_budget_of_b_holds_for_the_ratio_inside_the_surrogate(pairs: list[tuple[float, float]]) -> None:
    log_ratio_N1 = torch.tensor([[ratio] for ratio, _ in pairs], dtype=torch.float64)
    advantages_N = torch.tensor([size for _, size in pairs], dtype=torch.float64)
    bounded_N1 = B.within_budget(log_ratio_N1, advantages_N)
    assert float((bounded_N1.exp()[:, 0] * advantages_N.abs()).max()) <= B.Z_CAP * (1 + 1e-12)


@given(st.lists(st.floats(-100.0, 100.0, width=32), min_size=8, max_size=8))
def test_the_advantages_of_b_stay_within_the_cap(rewards: list[float]) -> None:
    advantages_N = B.advantages(torch.tensor(rewards), torch.zeros(8, dtype=torch.long), context(8, 8))
    assert float(advantages_N.abs().max()) <= B.Z_CAP


def test_the_bound_of_b_is_not_one_on_the_policys_own_ratio() -> None:
    log_ratio_N1, advantages_N = torch.tensor([[4.0]]), torch.tensor([2.0])
    assert float(B.within_budget(log_ratio_N1, advantages_N)) == pytest.approx(math.log(1.5))
    assert float(log_ratio_N1.exp() * advantages_N) > B.Z_CAP


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=8, max_size=8))
def test_with_rewards_of_0_and_1_a_is_a_constant_times_leave_one_out(rewards: list[float]) -> None:
    ids, ctx = torch.zeros(8, dtype=torch.long), context(8, 8)
    mine = A.advantages(torch.tensor(rewards), ids, ctx)
    leave_one_out = module("rloo").advantages(torch.tensor(rewards), ids, ctx)
    assert torch.allclose(mine, leave_one_out * math.tanh(2.0) * 7 / 8, atol=1e-6)


def test_with_graded_rewards_a_saturates_where_leave_one_out_does_not() -> None:
    rewards, ids, ctx = torch.tensor([0.0, 0.1, 0.2, 3.0]), torch.zeros(4, dtype=torch.long), context(4, 4)
    mine = A.advantages(rewards, ids, ctx)
    linear = module("rloo").advantages(rewards, ids, ctx)
    assert float(mine[3] / mine[0].abs()) < float(linear[3] / linear[0].abs())


def test_the_clip_window_of_a_is_mirrored() -> None:
    logps = torch.full((2, 4), -1.0, requires_grad=True)
    old = logps.detach() - math.log(1.25)  # the ratio is 1.25: inside for a good one, outside for a bad one
    mask = torch.tensor([[1.0, 0, 0, 0], [1.0, 0, 0, 0]])  # a tenth of two tokens is none: nothing is dropped
    loss = A.policy_loss(logps, old, None, torch.tensor([1.0, -1.0]), mask, context(2, 2, 2.0))
    (slope,) = torch.autograd.grad(loss, logps)
    assert float(slope[0, 0]) == pytest.approx(-1.25 / 2)
    assert float(slope[1, 0]) == pytest.approx(1.25 / 2)  # min() keeps the worse one: a bad token is pulled back
    logps = torch.full((2, 4), -1.0, requires_grad=True)
    loss = A.policy_loss(
        logps, logps.detach() - math.log(1.3), None, torch.tensor([1.0, -1.0]), mask, context(2, 2, 2.0)
    )
    (slope,) = torch.autograd.grad(loss, logps)
    assert float(slope[0, 0]) == 0.0


def test_a_drops_some_of_the_tokens_with_the_highest_impact() -> None:
    mask, advantages = torch.ones(10, 10), torch.linspace(-1.0, 1.0, 10)
    logps = -torch.rand(10, 10, generator=torch.Generator().manual_seed(1))
    kept = A.kept(logps, advantages, mask, context(10, 5))
    impact = logps.exp() * advantages.abs()[:, None]
    dropped = kept == 0
    assert 0 < int(dropped.sum()) < 10
    assert float(impact[dropped].min()) >= float(impact.flatten().topk(10).values[-1])


@pytest.mark.parametrize("name", [*NAMES, *CONTROLS])
def test_every_reference_and_control_says_what_it_is(name: str) -> None:
    made = module(name)
    assert made.__doc__
    assert made.__doc__.strip()
    assert made.advantages.__doc__
    assert made.policy_loss.__doc__
