"""Reinforcement learning: evolve GRPO's advantage and loss (paper, section 4.3), on a CPU proxy.

`train` lets the candidate's two functions train a small model: the trainer holds model, prompts and rewards, and the
candidate, in a process of its own, only turns rewards into advantages and log-probabilities into a gradient. Weights
leave as bytes. `benchmark` reads them against an exact list, builds the model from them outside, and scores prompts
that no process of the candidate ever holds. On the rungs on GPUs (rl/scales.py) the candidate is alone in the sandbox,
and TRL trains outside (rl/gpu/rung.py); what is missing here is said in one line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from rl import base, cheats, exchange, knowledge, measure, rules, scoring, verdicts
from rl.gpu import rung as gpu_rung
from rl.gpu.chosen import GpuOptions
from rl.gpu.rung import Rung
from rl.recipes import RUNGS, TINY, Recipe
from rl.reference import program
from rl.scales import SCALES, forecast
from tasks.contract import (
    BaseDomain,
    Brief,
    Failure,
    FailureKind,
    Issue,
    MachineFault,
    Measurements,
    Needs,
    Sandbox,
    Score,
    Step,
    Trained,
    Workspace,
)
from tasks.probed import WrongForm

BENCHMARK_WALL_S = 900.0
PRELOAD = ("torch", "torch.utils._python_dispatch", "safetensors.torch", "numpy.random")


class NotHere(MachineFault):
    """A rung on GPUs was asked for, and this machine lacks something; the message says what, with the forecast."""

    may_pass = False


class RlOptions(BaseModel):
    """What can be chosen about the problem."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tiny: bool = Field(False, description="A few steps of a tiny model, for tests: its scores mean nothing")
    gpu: GpuOptions = Field(GpuOptions(), description="Data, rewards and engines of the rungs on GPUs")


class Rl(BaseDomain):
    """The domain `rl`."""

    Options = RlOptions
    name: ClassVar[str] = "rl"
    contract_version: ClassVar[str] = "1"
    rungs: ClassVar[tuple[str, ...]] = (*RUNGS, *SCALES)
    preload: ClassVar[tuple[str, ...]] = PRELOAD

    def __init__(self, options: RlOptions | None = None) -> None:
        self.options = options or RlOptions()

    def recipe(self, rung: str) -> Recipe:
        """The settings of a rung on a CPU."""
        return TINY if self.options.tiny else RUNGS[rung]

    def brief(self) -> Brief:
        """The problem in words, with GRPO as seed, cognition and block template."""
        return Brief(
            goal=GOAL,
            program_contract=PROGRAM_CONTRACT,
            seed_program=program("grpo"),
            items=knowledge.items(),
            prompt_notes=NOTES,
            template=knowledge.template(),
            metric="accuracy",
            best_known=None,
        )

    def needs(self, step: Step, rung: str) -> Needs:
        """GPUs as the rung says; on a CPU the sandbox's own limits."""
        if self._needs_gpu(rung):
            scale = SCALES[rung]
            rates = len(self.options.gpu.rates_of(scale))
            train_wall_s = rates * (scale.wall_s + gpu_rung.LOADING_S)
            return Needs(scale.gpus, train_wall_s if step == "train" else 2 * scale.benchmark_wall_s)
        return Needs(wall_s=self.recipe(rung).wall_s if step == "train" else BENCHMARK_WALL_S)

    def outlook(self, rung: str) -> str:
        """Nothing to add for a CPU; the forecast for a rung on GPUs. Raises NotHere if it cannot run here."""
        if not self._needs_gpu(rung):
            return ""
        told = forecast(rung, SCALES[rung], len(self.options.gpu.rates_of(SCALES[rung])))
        try:
            gpu_rung.refuse(self._gpu(rung))
        except MachineFault as error:
            raise NotHere(f"{error} ({told})") from None
        return told

    def _gpu(self, rung: str) -> Rung:
        return Rung(SCALES[rung], self.options.gpu)

    def _needs_gpu(self, rung: str) -> bool:
        return rung in SCALES and not self.options.tiny

    def prepare(self, workspace: Workspace) -> None:
        """Train the base model if no campaign has before (half a minute); note how it answers without training."""
        recipe = self.recipe(self.rungs[0])
        if not workspace.exists("base.json"):
            start = measure.answers(base.weights(recipe.base), recipe, "report")
            workspace.write("base.json", json.dumps(start.by_behaviour).encode())

    def check(self, code: str) -> list[Issue]:
        """Contract, imports, patching, state."""
        return rules.issues(code)

    def cheats(self) -> Mapping[str, str]:
        """Programs that must not score above the seed, for `nightshift audit`."""
        return cheats.programs(program("grpo"))

    def probe(self, code: str, sandbox: Sandbox) -> list[Issue]:
        """The dynamic checks."""
        numbers = exchange.probe(code, rules.uses_reference(code), sandbox)
        if isinstance(numbers, Failure):
            return [Issue(str(numbers.kind), f"the loss could not be checked: {numbers.reason}")]
        try:
            return verdicts.issues(numbers)
        except WrongForm as error:
            return [Issue("checks", f"the checks' answer is not usable: {error}")]

    def train(self, code: str, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace) -> Trained | Failure:
        """One run per learning rate; a run that is given up at the first rate ends the candidate. On GPUs one run."""
        if self._needs_gpu(rung):
            return gpu_rung.trained(code, self._gpu(rung), seed, sandbox, workspace)
        return measure.trained(code, self.recipe(rung), seed, rules.uses_reference(code), sandbox, workspace)

    def benchmark(
        self, code: str, trained: Trained, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace
    ) -> Measurements | Failure:
        """The learning rate is chosen on one part of the prompts, accuracy reported on another. On GPUs the suite."""
        if self._needs_gpu(rung):
            return gpu_rung.measured(self._gpu(rung), seed, trained, workspace, sandbox.tier)
        return measure.measured(trained, self.recipe(rung), workspace)

    def score(self, evaluations: Sequence[Measurements], baseline: Sequence[Measurements] | None) -> Score | Failure:
        """The mean accuracy over seeds, with its standard error. The paper's judge is left out."""
        if not evaluations:
            return Failure(FailureKind.INVALID, "there is no evaluation to score")
        values = [each.metrics["accuracy"] for each in evaluations]
        return Score(sum(values) / len(values), scoring.spread(values), len(values))

    def features(self, measurements: Measurements) -> Mapping[str, float]:
        """How far the policy went from its base, and how fast the reward rose, each in [0, 1]."""
        metrics = measurements.metrics
        early = {"early_reward": min(1.0, max(0.0, metrics["early_reward"]))}
        per_token = (
            "kl_nats_per_token"  # on GPUs, where answers are long: half a nat, as 4 nats of the proxy's 8 tokens
        )
        far = metrics[per_token] / 0.5 if per_token in metrics else metrics["kl_nats"] / 4.0
        return {"kl": min(1.0, max(0.0, far)), **early}


GOAL = (
    "Design the advantage and the policy loss of a GRPO-like trainer so that a small model, trained for 40 optimiser "
    "steps with a verifier as reward, answers held-out prompts right more often than with GRPO."
)
PROGRAM_CONTRACT = """\
Define two pure functions (torch; N completions in groups of ctx.group_size, T completion tokens)
- `advantages(rewards_N, group_ids_N, ctx) -> (N,)`: groups are whole here and come one after the other.
- `policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx) -> scalar` to be minimised. logps_NT are the
  policy's log-probabilities of the sampled tokens and carry the gradient; old_NT those of the policy that sampled;
  ref_NT the base model's, or None unless the program says `USES_REFERENCE = True` at its top level; mask_NT is 1.0 on
  tokens, 0.0 behind a completion's end. Completions come shuffled here, so use ctx.group_ids, not places.
ctx: step, steps, iteration (pass over the same completions, from 0; the ratio is 1 in the first), group_size,
epsilon_low, epsilon_high, beta, longest (most tokens of a completion), tokens (completion tokens of the batch),
group_ids, generator (the only source of random numbers), correction (None, or a factor for token losses).
Finite gradients, also for equal rewards, an empty completion and large ratios; a lower loss when better completions
become more probable; no dependence on the order of groups or on what stands at masked places; inputs stay unchanged;
nothing is kept between calls; cost of the order of GRPO's. Imports: torch, torch.nn.functional, math, functools,
typing; reach libraries by their dotted names (no `t = torch`) and set no attributes. A program with a top-level
`USES_REFERENCE = True` costs one more forward pass.
"""
NOTES = (
    "Two optimiser steps are made on each generation of 16 prompts x 8 completions. The optimiser is Adam, gradients "
    "are clipped by their norm, so a constant factor on the loss changes nothing. The learning rate is chosen among "
    "three on other prompts, for the baseline in the same way, so a gain has to be more than a faster rate."
)
