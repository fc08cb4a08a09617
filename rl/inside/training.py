"""Reinforcement learning of a small model, inside the sandbox: trusted code, with the candidate in another process.

The trainer holds model, prompts, rewards and random numbers. Of a candidate it takes advantages and the gradient of the
loss with respect to the log-probabilities of the sampled tokens, and nothing else. It scores nothing: weights leave.

All random numbers derive from (seed, generation) alone: two candidates with one seed see the same prompts and the same
chances, until their models differ.

Shapes: N completions, T completion tokens, P prompt tokens, W parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import policy
import sorting
import torch
from optimiser import AdamW
from remote import Remote
from shape import Shape
from surface import Settings
from torch import Tensor

ABORT_MEAN = 2  # generations whose mean reward decides


@dataclass(frozen=True, slots=True)
class Run:
    """One training run."""

    seed: int
    rate: float
    generations: int
    iterations: int  # optimiser steps on one generation's completions
    prompts: int
    group_size: int
    reward: sorting.Reward
    uses_reference: bool
    abort_at: int  # a generation; 0: never
    abort_below: float  # mean reward over the last generations


@dataclass(slots=True)
class Trained:
    """What a run left."""

    flat_W: Tensor
    rewards: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)  # mean |log ratio| in the passes after the first
    aborted_at: int | None = None
    kl_nats: float = 0.0


@dataclass(frozen=True, slots=True)
class Batch:
    """One generation's completions."""

    prompts_NP: Tensor
    tokens_NT: Tensor
    mask_NT: Tensor
    rewards_N: Tensor
    ids_N: Tensor


def trained(base_W: Tensor, shape: Shape, run: Run, candidate: Remote, settings: Settings) -> Trained:
    """The whole run, or until it is aborted. Raises remote.Wrong."""
    flat_W = base_W.clone().requires_grad_()
    optimiser = AdamW(flat_W)
    done = Trained(flat_W)
    for generation in range(run.generations):
        batch = _generated(flat_W, shape, run, generation)
        done.rewards.append(float(batch.rewards_N.mean()))
        if run.abort_at and generation + 1 == run.abort_at and _is_hopeless(done.rewards, run):
            done.aborted_at = generation + 1
            break
        _learnt(batch, base_W, shape, run, generation, candidate, optimiser, done)
    with torch.no_grad():
        args = (shape, batch.prompts_NP, batch.tokens_NT)
        now, then = (policy.completion_logps(policy.unflattened(w, shape), *args) for w in (flat_W, base_W))
        done.kl_nats = float(((now - then) * batch.mask_NT).sum(1).mean())
    return done


def _is_hopeless(rewards: list[float], run: Run) -> bool:
    return sum(rewards[-ABORT_MEAN:]) / ABORT_MEAN < run.abort_below


def _generated(flat_W: Tensor, shape: Shape, run: Run, generation: int) -> Batch:
    rng = np.random.default_rng([run.seed, generation])
    lists = sorting.draw(rng, run.prompts, "train")
    lists = [digits for digits in lists for _ in range(run.group_size)]
    prompts_NP = torch.from_numpy(sorting.prompts(lists))
    chance_NT = torch.from_numpy(rng.random((len(lists), sorting.COMPLETION)).astype(np.float32))
    parameters = policy.unflattened(flat_W, shape)
    tokens_NT = policy.sampled(parameters, shape, prompts_NP, chance_NT, sorting.END, sorting.BLANK)
    rewards = sorting.rewards(lists, tokens_NT.numpy(), run.reward, rng)
    mask_NT = torch.from_numpy(sorting.mask(tokens_NT.numpy()).astype(np.float32))
    ids_N = torch.arange(run.prompts).repeat_interleave(run.group_size)
    return Batch(prompts_NP, tokens_NT, mask_NT, torch.from_numpy(rewards), ids_N)


def _learnt(
    batch: Batch, base_W: Tensor, shape: Shape, run: Run, generation: int, candidate: Remote, optimiser: AdamW,
    done: Trained,
) -> None:  # fmt: skip
    """The optimiser steps on one generation."""
    steps = run.generations * run.iterations
    first = generation * run.iterations
    place = {"steps": steps, "iteration": 0}
    seed = (run.seed * 1_000_003 + first) % 2**31
    advantages_N = candidate.advantages(batch.rewards_N, batch.ids_N, seed, step=first, **place)
    old_NT, reference = None, {}
    if run.uses_reference:
        with torch.no_grad():
            reference["ref"] = policy.completion_logps(
                policy.unflattened(base_W, shape), shape, batch.prompts_NP, batch.tokens_NT
            )
    for iteration in range(run.iterations):
        parameters = policy.unflattened(optimiser.flat_W, shape)
        logps_NT = policy.completion_logps(parameters, shape, batch.prompts_NP, batch.tokens_NT)
        if old_NT is None:
            old_NT = logps_NT.detach()
        else:
            gap_NT = (logps_NT.detach() - old_NT).abs() * batch.mask_NT
            done.moved.append(float(gap_NT.sum() / batch.mask_NT.sum()))
        given = {"logps": logps_NT, "old": old_NT, **reference, "advantages": advantages_N, "mask": batch.mask_NT}
        given["group_ids"] = batch.ids_N
        place = {"steps": steps, "iteration": iteration}
        loss, slope_NT = candidate.gradient(given, seed + 1 + iteration, step=first + iteration, **place)
        (gradient_W,) = torch.autograd.grad(logps_NT, optimiser.flat_W, slope_NT * batch.mask_NT)
        optimiser.step(gradient_W, run.rate * (1.0 - (first + iteration) / steps))
        done.losses.append(loss)


def imitated(shape: Shape, seed: int, steps: int, batch: int, rate: float, draw: Callable[..., Any]) -> Tensor:
    """The base, (W,): supervised training on a mixture of behaviours, drawn by `draw(rng, batch)`."""
    generator = torch.Generator().manual_seed(seed)
    flat_W = policy.initial(shape, generator).requires_grad_()
    optimiser = AdamW(flat_W, beta2=0.98, decay=0.01)
    rng = np.random.default_rng(seed)
    for step in range(steps):
        prompts, tokens = draw(rng, batch)
        mask_NT = torch.from_numpy(sorting.mask(tokens).astype(np.float32))
        logps_NT = policy.completion_logps(
            policy.unflattened(flat_W, shape), shape, torch.from_numpy(prompts), torch.from_numpy(tokens)
        )
        loss = -(logps_NT * mask_NT).sum() / mask_NT.sum()
        (gradient_W,) = torch.autograd.grad(loss, flat_W)
        pace = min(1.0, (step + 1) / 50) * 0.5 * (1.0 + math.cos(math.pi * step / steps))
        optimiser.step(gradient_W, rate * pace)
    base_W: Tensor = flat_W.detach()
    return base_W
