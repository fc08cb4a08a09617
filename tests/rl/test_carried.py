"""What the override has to carry, against stock TRL on the real thing: tool masks, vLLM's ratio, routers, processes.

What no CPU produces (tool calls, vLLM's ratio) is put into TRL's own batch, for stock TRL and for ours alike; from
there on everything is real. tests/rl/test_hooks.py looks at the single hooks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import trl

from rl import train_gpu
from rl.hooks import CandidateGRPOTrainer, Loss, _Steps
from tests.rl import toy_trl
from tests.rl.test_hooks import SETTINGS, loss_of

ROOT = Path(__file__).parents[2]


def assert_equal(stock: list[dict[str, float]], ours: list[dict[str, float]]) -> None:
    assert len(stock) == len(ours) > 2
    for before, after in zip(stock, ours, strict=True):
        assert after == {key: pytest.approx(value, rel=1e-4, abs=1e-6, nan_ok=True) for key, value in before.items()}


def both(folder: Path, name: str, **more: Any) -> list[dict[str, float]]:
    """Stock TRL's history, after it was found in ours too. `policy` is a function that makes one."""
    make: Callable[[], Any] | None = more.pop("policy", None)
    settings = SETTINGS[name] | more
    histories = []
    for place, loss in (("stock", None), ("ours", loss_of(name))):
        own = {} if make is None else {"policy": make()}
        histories.append(toy_trl.history(folder / place, loss, **settings, **own))
    assert_equal(*histories)
    return histories[0]


def with_tensors(monkeypatch: pytest.MonkeyPatch, **make: Callable[[Any], Any]) -> None:
    """Every batch that TRL generates, stock or through the hooks, holds these tensors, as if vLLM had sampled it."""
    whole, loss = trl.GRPOTrainer._generate_and_score_completions, trl.GRPOTrainer._compute_loss

    def generated(self: Any, inputs: Any) -> Any:
        out = whole(self, inputs)
        return out | {name: made(out["completion_mask"]) for name, made in make.items()}

    def computed(self: Any, model: Any, inputs: Any) -> Any:
        self.use_vllm = True  # stock TRL reads the ratio only then
        try:
            return loss(self, model, inputs)
        finally:
            self.use_vllm = False

    monkeypatch.setattr(trl.GRPOTrainer, "_generate_and_score_completions", generated)
    monkeypatch.setattr(trl.GRPOTrainer, "_compute_loss", computed)


def tools(mask_NT: Any) -> Any:
    """Every third token came from a tool."""
    return (torch.arange(mask_NT.numel()).view_as(mask_NT) % 3 != 0).to(mask_NT.dtype)


def ratio(mask_NT: Any) -> Any:
    return 0.5 + torch.arange(mask_NT.numel()).view_as(mask_NT) % 5 / 4.0


@pytest.mark.parametrize("name", ["grpo", pytest.param("dapo", marks=pytest.mark.slow)])
def test_tool_masks_and_the_ratio_of_tokens(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = toy_trl.history(tmp_path / "plain", None, **SETTINGS[name])
    with_tensors(monkeypatch, tool_mask=tools, importance_sampling_ratio=ratio)
    carried = both(tmp_path, name)
    assert [entry["grad_norm"] for entry in carried] != pytest.approx([entry["grad_norm"] for entry in plain], rel=1e-3)


@pytest.mark.slow
def test_the_ratio_of_sequences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_tensors(monkeypatch, importance_sampling_ratio=lambda mask: ratio(mask)[:, :1])
    both(tmp_path, "grpo")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grpo", "dapo"])
def test_the_routers_auxiliary_loss(name: str, tmp_path: Path) -> None:
    carried = both(tmp_path, name, policy=toy_trl.mixture_of_experts, router_aux_loss_coef=0.5)
    assert all(entry["aux_loss"] > 0 for entry in carried)
    off = both(tmp_path / "off", name, policy=toy_trl.mixture_of_experts, router_aux_loss_coef=0.0)
    assert carried[0]["grad_norm"] != pytest.approx(off[0]["grad_norm"], rel=1e-3)  # it does reach the gradient


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"entropy_coef": 0.1}, {"use_adaptive_entropy": True, "entropy_target": 9.0}])
def test_the_entropy_bonus(more: dict[str, Any], tmp_path: Path) -> None:
    both(tmp_path, "grpo", **more)


@pytest.mark.slow
def test_truncated_completions_that_are_masked_and_weighted_rewards(tmp_path: Path) -> None:
    both(tmp_path, "grpo", mask_truncated_completions=True, reward_weights=[0.5])


@pytest.mark.slow
def test_an_evaluation_reports_what_stock_trl_reports(tmp_path: Path) -> None:
    from datasets import Dataset

    found = []
    for place, loss in (("stock", None), ("ours", loss_of("grpo"))):
        made = toy_trl.trainer(tmp_path / place, loss, per_device_eval_batch_size=8)
        metrics = made.evaluate(eval_dataset=Dataset.from_list([{"prompt": str(number)} for number in range(4)]))
        found.append({key: value for key, value in metrics.items() if not any(s in key for s in ("time", "second"))})
    assert "eval_reward" in found[0]
    assert found[1] == {key: pytest.approx(value, rel=1e-4, abs=1e-6, nan_ok=True) for key, value in found[0].items()}


def test_a_run_that_goes_on_counts_on() -> None:
    trainer: Any = object.__new__(CandidateGRPOTrainer)
    state = types.SimpleNamespace(global_step=6)
    _Steps(trainer).on_train_begin(types.SimpleNamespace(gradient_accumulation_steps=4), state, None)
    assert trainer._step == 24


SCRIPT = """
import json, os, sys
from pathlib import Path
from tests.rl import toy_trl
from tests.rl.test_hooks import SETTINGS, loss_of
folder, name = Path(sys.argv[1]), sys.argv[2]
more = {"per_device_train_batch_size": 2, **SETTINGS[name]}
found = [toy_trl.history(folder / place, loss, **more) for place, loss in (("stock", None), ("ours", loss_of(name)))]
if os.environ["RANK"] == "0":
    (folder / "found.json").write_text(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grpo", "dapo"])
def test_two_processes_find_what_stock_trl_finds_in_two(name: str, tmp_path: Path) -> None:
    """Groups of four completions lie across both processes here: two prompts' completions on each."""
    (tmp_path / "both.py").write_text(SCRIPT)
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = train_gpu.environment() | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*start, str(tmp_path / "both.py"), str(tmp_path), name], env=environment, capture_output=True, text=True,
        timeout=300, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    stock, ours = json.loads((tmp_path / "found.json").read_text())
    assert_equal(stock, ours)


@pytest.mark.slow
def test_the_losses_gradient_is_the_candidates_where_trl_adds_nothing(tmp_path: Path) -> None:
    def twice(*arguments: Any) -> Any:
        return 2.0 * loss_of("grpo").policy_loss(*arguments)

    one = toy_trl.history(tmp_path / "one", loss_of("grpo"), loss_type="grpo", max_grad_norm=1e9)
    two = toy_trl.history(
        tmp_path / "two", Loss(loss_of("grpo").advantages, twice), loss_type="grpo", max_grad_norm=1e9
    )
    assert two[0]["grad_norm"] == pytest.approx(2 * one[0]["grad_norm"], rel=1e-4)
