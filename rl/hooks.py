"""GRPOTrainer with another advantage and another loss: TRL 1.16, everything else of it unchanged.

    trainer = CandidateGRPOTrainer(loss=Loss(advantages, policy_loss), model=..., args=GRPOConfig(...), ...)

TRL has no place for a loss, so four methods are overridden, of which three are private: parity with stock TRL is a
permanent test (tests/rl/test_hooks.py), and another minor version of TRL is refused in one line. The loss runs in this
process, without a sandbox: read it first.

How it works. `_calculate_rewards` is remembered: its answer is gathered over all processes and in group order.
`_generate_and_score_completions` replaces the advantages and adds group ids, which travel through TRL's shuffling as
every tensor of batch length does. In `_compute_loss` TRL's own loss is computed on detached log-probabilities, for its
metrics and for what is added to any loss (the MoE router's auxiliary loss, the entropy bonus), and the candidate's loss
on the real ones takes its place. Tool masks and vLLM's importance ratio reach the candidate as `mask` and
`ctx.correction`. Losses' own settings that TRL keeps elsewhere (`epsilon`, `beta`, ...) come from GRPOConfig.

Shapes: N completions on this process, M over all processes, T completion tokens, R reward functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback
from trl import GRPOTrainer

from rl.inside.surface import Advantages, Context, PolicyLoss

KNOWN = "1.16"
SALT = 0x5EED


class Unsupported(ValueError):
    """A setting of GRPOConfig, or a version of TRL, that this trainer does not carry; the message names it."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A candidate's two functions."""

    advantages: Advantages
    policy_loss: PolicyLoss
    uses_reference: bool = False


class CandidateGRPOTrainer(GRPOTrainer):  # type: ignore[misc]  # trl has no types
    """TRL's trainer with a candidate's advantage and loss. Takes GRPOTrainer's arguments and `loss`."""

    def __init__(self, *arguments: Any, loss: Loss, **named: Any) -> None:
        """Raises Unsupported."""
        refuse_other_versions(version("trl"))
        self.candidate = loss
        self._rewards_MR: Tensor | None = None
        self._seen: tuple[Tensor, tuple[Any, ...]] | None = None
        super().__init__(*arguments, **named)
        refuse_settings(self.args)
        self.add_callback(_Steps(self))
        if loss.uses_reference and self.beta == 0.0:
            raise Unsupported("this loss reads a reference model's log-probabilities: set GRPOConfig.beta above 0")

    def _calculate_rewards(self, *arguments: Any, **named: Any) -> Tensor:
        rewards_MR: Tensor = super()._calculate_rewards(*arguments, **named)
        self._rewards_MR = rewards_MR
        return rewards_MR

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        out: dict[str, Any] = super()._generate_and_score_completions(inputs)
        assert self._rewards_MR is not None
        rewards_MR, count = self._rewards_MR, len(out["advantages"])
        size = self.num_generations if self.model.training else self.num_generations_eval
        ids_M = torch.arange(len(rewards_MR), device=rewards_MR.device) // size
        advantages_M = self._advantages(rewards_MR, ids_M, size, out)
        own = slice(self.accelerator.process_index * count, (self.accelerator.process_index + 1) * count)
        out["advantages"], out["group_ids"] = advantages_M[own], ids_M[own]
        for _ in range(min(len(self._logs["advantages"]), len(advantages_M))):
            self._logs["advantages"].pop()  # TRL's, which are not used
        self._logs["advantages"].extend(advantages_M.tolist())
        return out

    def _advantages(self, rewards_MR: Tensor, ids_M: Tensor, size: int, out: dict[str, Any]) -> Tensor:
        """The candidate's, over all processes; zero where no reward function answered, as in TRL."""
        weighted_MR = rewards_MR * self.reward_weights.to(rewards_MR.device)
        unscorable_M = torch.isnan(rewards_MR).all(dim=1)
        rewards_M = weighted_MR.nansum(dim=1)
        if bool(unscorable_M.any()):
            rewards_M = _filled(rewards_M, unscorable_M, size)
        ctx = self._context(ids_M, size, float(out["num_items_in_batch"]), None)
        advantages_M = self.candidate.advantages(rewards_M, ids_M, ctx).to(rewards_M.dtype)
        return torch.where(unscorable_M, 0.0, advantages_M)

    def _get_per_token_logps_and_entropies(self, *arguments: Any, **named: Any) -> Any:
        logps_NT, entropies, auxiliary = super()._get_per_token_logps_and_entropies(*arguments, **named)
        if self._seen is None or not logps_NT.requires_grad:
            return logps_NT, entropies, auxiliary
        self._seen = (logps_NT, (entropies, auxiliary))
        return logps_NT.detach(), entropies, auxiliary

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        empty = torch.empty(0, requires_grad=True)
        self._seen = (empty, ())
        stock: Tensor = super()._compute_loss(model, inputs)
        (logps_NT, parts), self._seen = self._seen, None
        if logps_NT is empty:  # evaluation, without gradients: TRL's own loss is what it reports
            return stock
        accumulation = self.current_gradient_accumulation_steps if self.model.training else 1
        mask_NT = inputs["completion_mask"]
        mask_NT = mask_NT * inputs["tool_mask"] if "tool_mask" in inputs else mask_NT
        old_NT = inputs.get("old_per_token_logps")
        old_NT = logps_NT.detach() if old_NT is None else old_NT
        tokens = float(inputs["num_items_in_batch"].clamp(min=1.0)) / self.accelerator.num_processes
        tokens = tokens / self.args.steps_per_generation if self.model.training else tokens
        size = self.num_generations if self.model.training else self.num_generations_eval
        ctx = self._context(inputs["group_ids"], size, tokens, inputs.get("importance_sampling_ratio"))
        given = (logps_NT, old_NT, inputs.get("ref_per_token_logps"), inputs["advantages"], mask_NT)
        return self.candidate.policy_loss(*given, ctx) / accumulation + _added(stock, parts)

    def _context(self, ids: Tensor, size: int, tokens: float, correction: Tensor | None) -> Context:
        args, every = self.args, self.args.steps_per_generation * self.num_iterations
        seed = (args.seed * 1_000_003 + self._step * 31 + self.accelerator.process_index + SALT) % 2**31
        return Context(
            step=self.state.global_step,
            steps=self.state.max_steps,
            iteration=self._step % every // args.steps_per_generation,
            group_size=size,
            epsilon_low=self.epsilon_low,
            epsilon_high=self.epsilon_high,
            beta=self.beta,
            longest=self.max_completion_length,
            tokens=tokens,
            group_ids=ids,
            generator=torch.Generator(device=ids.device).manual_seed(seed),
            correction=correction,
        )


def _added(stock: Tensor, parts: tuple[Any, ...]) -> Tensor | float:
    """What TRL adds to any loss: linear in entropies and routers' loss, so the slopes there give its value too."""
    parts = tuple(part for part in parts if part is not None and part.requires_grad)
    if not parts or not stock.requires_grad:
        return 0.0
    slopes = torch.autograd.grad(stock, parts, retain_graph=True, allow_unused=True)
    return sum(
        ((slope * part).sum() for slope, part in zip(slopes, parts, strict=True) if slope is not None), start=0.0
    )


class _Steps(TrainerCallback):
    """TRL counts micro-batches from 0 also where a run goes on from a checkpoint; a loss's context must not."""

    def __init__(self, trainer: CandidateGRPOTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Go on counting where the checkpoint was."""
        self.trainer._step = state.global_step * args.gradient_accumulation_steps


def _filled(rewards_M: Tensor, unscorable_M: Tensor, size: int) -> Tensor:
    """Rewards that no function gave, replaced by the mean of their group's others."""
    rewards_GK, is_out_GK = rewards_M.view(-1, size), unscorable_M.view(-1, size)
    known_G1 = (~is_out_GK).sum(1, keepdim=True).clamp(min=1)
    mean_G1 = torch.where(is_out_GK, 0.0, rewards_GK).sum(1, keepdim=True) / known_G1
    return torch.where(is_out_GK, mean_G1, rewards_GK).flatten()


def refuse_other_versions(found: str) -> None:
    """Raises Unsupported unless this is the minor version whose private methods are overridden."""
    if found.split(".")[:2] != KNOWN.split("."):
        raise Unsupported(f"expected trl {KNOWN}.x, found {found}: pip install 'trl>={KNOWN},<1.17'")


def refuse_settings(args: Any) -> None:
    """Raises Unsupported for settings that change TRL's own loss and would be lost without a word."""
    lost = {
        "top_entropy_quantile": args.top_entropy_quantile < 1.0,
        "off_policy_mask_threshold": args.off_policy_mask_threshold is not None,
        "delta": args.delta is not None,
        "multi_objective_aggregation": args.multi_objective_aggregation != "sum_then_normalize",
    }
    for name in (name for name, is_set in lost.items() if is_set):
        raise Unsupported(f"GRPOConfig.{name} belongs to TRL's own loss, which is replaced: leave it at its default")
