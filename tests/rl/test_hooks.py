"""Parity with stock TRL: the same seed gives the same metrics through the hooks, for every loss that TRL ships."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import pytest
import torch
import trl

from rl import hooks
from rl.hooks import CandidateGRPOTrainer, Loss, Unsupported
from rl.inside.surface import Context
from rl.reference import program
from tests.rl import toy_trl

#: Loss, and what GRPOConfig says for stock TRL and for ours alike.
SETTINGS: dict[str, dict[str, Any]] = {
    "grpo": {"loss_type": "grpo"},
    "dr_grpo": {"loss_type": "dr_grpo", "scale_rewards": "none"},
    "dapo": {"loss_type": "dapo", "epsilon_high": 0.28},
    "gspo": {
        "loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 3e-4, "epsilon_high": 4e-4,
    },
    "bnpo": {"loss_type": "bnpo"},
    "luspo": {"loss_type": "luspo", "importance_sampling_level": "sequence"},
    "cispo": {"loss_type": "cispo", "epsilon_high": 5.0},
    "sapo": {"loss_type": "sapo"},
    "vespo": {"loss_type": "vespo"},
    "grpo_kl": {"loss_type": "grpo", "beta": 0.04},
}  # fmt: skip
IN_THE_FAST_LANE = ("grpo",)
ALL = [pytest.param(name, marks=() if name in IN_THE_FAST_LANE else pytest.mark.slow) for name in SETTINGS]


def loss_of(name: str) -> Loss:
    module = types.ModuleType(name)
    exec(compile(program(name), name, "exec"), module.__dict__)  # a file of ours, not a candidate
    return Loss(module.advantages, module.policy_loss)


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_prints_the_same_metrics_as_stock_trl(name: str, tmp_path: Path) -> None:
    stock = toy_trl.history(tmp_path / "stock", None, **SETTINGS[name])
    ours = toy_trl.history(tmp_path / "ours", loss_of(name), **SETTINGS[name])
    assert len(stock) == len(ours) > 2
    for before, after in zip(stock, ours, strict=True):
        assert set(before) == set(after)
        for key, value in before.items():
            assert after[key] == pytest.approx(value, rel=1e-4, abs=1e-6, nan_ok=True), key


@pytest.mark.slow
def test_another_loss_does_not_print_the_same_metrics(tmp_path: Path) -> None:
    stock = toy_trl.history(tmp_path / "stock", None, **SETTINGS["grpo"])
    other = toy_trl.history(tmp_path / "other", loss_of("dapo"), **SETTINGS["grpo"])
    assert [entry["loss"] for entry in other] != pytest.approx([entry["loss"] for entry in stock], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grpo", "dapo"])
def test_parity_holds_with_accumulated_gradients_and_one_pass(name: str, tmp_path: Path) -> None:
    more = {"num_iterations": 1, "gradient_accumulation_steps": 2, **SETTINGS[name]}
    stock = toy_trl.history(tmp_path / "stock", None, **more)
    ours = toy_trl.history(tmp_path / "ours", loss_of(name), **more)
    assert [entry["loss"] for entry in ours] == pytest.approx([entry["loss"] for entry in stock], rel=1e-4, abs=1e-6)


def test_the_ratio_moves_in_the_second_pass_and_groups_stay_together(tmp_path: Path) -> None:
    seen: list[tuple[int, float]] = []
    ids: list[tuple[torch.Tensor, torch.Tensor]] = []
    grpo = loss_of("grpo")

    def spied(logps: Any, old: Any, ref: Any, advantages: Any, mask: Any, ctx: Context) -> Any:
        seen.append((ctx.iteration, float(((logps - old).abs() * mask).max())))
        ids.append((ctx.group_ids.clone(), advantages.clone()))
        return grpo.policy_loss(logps, old, ref, advantages, mask, ctx)

    def graded(rewards: Any, group_ids: Any, ctx: Context) -> Any:
        return group_ids.float() + 1.0  # so that every advantage names its group

    toy_trl.history(tmp_path, Loss(graded, spied), loss_type="grpo")
    assert {iteration for iteration, _ in seen} == {0, 1}
    assert max(gap for iteration, gap in seen if iteration == 0) == pytest.approx(0.0, abs=1e-5)
    assert min(gap for iteration, gap in seen if iteration == 1) > 1e-5
    assert all(torch.equal(group_ids.float() + 1.0, advantages) for group_ids, advantages in ids)
    assert any((group_ids.diff() < 0).any() for group_ids, _ in ids)  # shuffled: groups are not contiguous


class FakeTrainer(CandidateGRPOTrainer):
    """The hooks without a model: what TRL's own methods would answer is put in by hand."""

    def __init__(self, loss: Loss, processes: int = 1, index: int = 0) -> None:
        self.candidate, self._seen, self._rewards_MR = loss, None, None
        self.args = types.SimpleNamespace(seed=0, steps_per_generation=1)
        self.accelerator = types.SimpleNamespace(num_processes=processes, process_index=index)
        self.state = types.SimpleNamespace(global_step=3, max_steps=9)
        self.model = types.SimpleNamespace(training=True)
        self.num_iterations, self.num_generations, self._step, self.beta = 2, 2, 0, 0.0
        self.epsilon_low = self.epsilon_high = 0.2
        self.max_completion_length, self.current_gradient_accumulation_steps = 3, 2
        self.reward_weights = torch.tensor([1.0, 2.0])


def inputs(**more: Any) -> dict[str, Any]:
    return {
        "completion_mask": torch.ones(2, 3), "num_items_in_batch": torch.tensor(12.0),
        "advantages": torch.tensor([1.0, -1.0]), "group_ids": torch.tensor([1, 0]), **more,
    }  # fmt: skip


def computed(monkeypatch: pytest.MonkeyPatch, trainer: FakeTrainer, given: dict[str, Any], extra: float = 0.0) -> Any:
    """What `_compute_loss` gives around a stock loss that is 7 and adds `extra` times a parameter."""
    logps = torch.full((2, 3), -1.0, requires_grad=True)
    parameter = torch.tensor(5.0, requires_grad=True)

    def stock_logps(self: Any, *a: Any, **k: Any) -> Any:
        return logps, torch.zeros(2, 3), parameter

    def stock_loss(self: Any, model: Any, batch: Any) -> Any:
        detached = self._get_per_token_logps_and_entropies(model)[0]
        assert not detached.requires_grad
        return 7.0 + extra * parameter if extra else torch.tensor(7.0)

    monkeypatch.setattr(trl.GRPOTrainer, "_get_per_token_logps_and_entropies", stock_logps)
    monkeypatch.setattr(trl.GRPOTrainer, "_compute_loss", stock_loss)
    loss = trainer._compute_loss(None, given)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss, logps.grad, parameter.grad


def summed(logps: Any, old: Any, ref: Any, advantages: Any, mask: Any, ctx: Context) -> Any:
    factor = 1.0 if ctx.correction is None else ctx.correction
    return (logps * mask * factor).sum() / ctx.tokens


def test_tool_masks_the_importance_ratio_and_accumulation_reach_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = FakeTrainer(Loss(lambda r, g, c: r, summed))
    tools = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    ratio = torch.tensor([[2.0], [1.0]])
    _, slope, _ = computed(monkeypatch, trainer, inputs(tool_mask=tools, importance_sampling_ratio=ratio))
    assert torch.allclose(slope, tools * ratio / 12.0 / 2)


def test_what_trl_adds_to_any_loss_keeps_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = FakeTrainer(Loss(lambda r, g, c: r, summed))
    loss, slope, auxiliary = computed(monkeypatch, trainer, inputs(), extra=0.25)
    assert float(auxiliary) == 0.25
    assert loss.item() == pytest.approx(0.25 * 5.0 - 6 / 12 / 2)  # it is in the value too
    assert torch.allclose(slope, torch.full((2, 3), 1 / 24))


def test_several_processes_share_the_rewards_and_keep_their_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    rewards_MR = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.0], [float("nan"), float("nan")]])

    def stock(self: Any, given: Any) -> Any:
        return {"advantages": torch.zeros(2), "num_items_in_batch": torch.tensor(6.0)}

    monkeypatch.setattr(trl.GRPOTrainer, "_generate_and_score_completions", stock)
    found = []
    for index in (0, 1):
        trainer = FakeTrainer(Loss(lambda rewards, ids, ctx: rewards + 10.0 * ids, summed), processes=2, index=index)
        trainer._rewards_MR, trainer._logs = rewards_MR, {"advantages": [0.0] * 4}
        out = trainer._generate_and_score_completions(None)
        found.append((out["advantages"].tolist(), out["group_ids"].tolist()))
        assert list(trainer._logs["advantages"]) == [1.0, 2.0, 10.5, 0.0]
    assert found == [([1.0, 2.0], [0, 0]), ([10.5, 0.0], [1, 1])]  # where nothing was rewarded, the advantage is 0


@pytest.mark.parametrize("found", ["1.15.2", "1.17.0", "2.0.0"])
def test_another_trl_is_refused_in_one_line(found: str) -> None:
    with pytest.raises(Unsupported, match=f"expected trl 1.16.x, found {found}: pip install"):
        hooks.refuse_other_versions(found)


def test_settings_that_would_be_lost_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"GRPOConfig.delta belongs to TRL's own loss"):
        toy_trl.trainer(tmp_path, loss_of("grpo"), delta=2.0)
