"""What a loss is: the two functions of a candidate, and the typed context that both are given. Torch, nothing else.

    advantages(rewards_N, group_ids_N, ctx) -> advantages_N
    policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx) -> scalar

Both are pure: they change no input, keep nothing between calls, and draw random numbers from `ctx.generator` alone. The
same surface serves the CPU proxy, the checks and the TRL trainer (rl/hooks.py).

Shapes: N completions, T completion tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Advantages = Callable[[Tensor, Tensor, "Context"], Tensor]
PolicyLoss = Callable[[Tensor, Tensor, "Tensor | None", Tensor, Tensor, "Context"], Tensor]


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that a loss may know besides its tensors."""

    step: int  # optimiser steps taken so far
    steps: int  # in the whole run
    iteration: int  # which pass over the same completions, from 0; the ratio is 1 in the first
    group_size: int  # completions of one prompt
    epsilon_low: float
    epsilon_high: float
    beta: float  # weight of a KL term; 0: `ref` is None
    longest: int  # most tokens of a completion
    tokens: float  # completion tokens that one call stands for, averaged over accumulation and processes
    group_ids: Tensor  # (N,) of the completions in this call; groups need not be contiguous or whole in policy_loss
    generator: torch.Generator
    correction: Tensor | None = None  # (N, T) or (N, 1): vLLM's importance ratio, to be multiplied to token losses


@dataclass(frozen=True, slots=True)
class Settings:
    """The constants of a Context, as they are configured for a run."""

    group_size: int
    epsilon_low: float
    epsilon_high: float
    beta: float
    longest: int
