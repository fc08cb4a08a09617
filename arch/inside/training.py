"""Trains a small model around the candidate's mixer, inside the sandbox, and runs trained ones on prompts.

It scores nothing: weights, a loss curve, predicted tokens and hidden states leave, and trusted code judges them.
Runs only where `mixers` and `synthetic` are importable (arch/inside on the path). One thread.

Shapes: B batch, T time, V vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import synthetic
import torch
from mixers.trunk import MakeMixer, Shape, Trunk
from numpy.typing import NDArray
from torch import Tensor

WARM_UP_STEPS = 20
LOSSES_KEPT = 40
BYTES = 256


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run. `task` None: next-byte prediction on `text`."""

    shape: Shape
    task: synthetic.Task | None
    length: int
    batch: int
    steps: int
    learning_rate: float
    seed: int
    optimiser: Literal["adamw"] = "adamw"


class Diverged(ValueError):
    """The loss is not a number."""


def train(make: MakeMixer, recipe: Recipe, text: bytes) -> tuple[Trunk, list[list[float]]]:
    """The trained model and (step, loss) pairs. Raises Diverged."""
    torch.manual_seed(recipe.seed)
    model = Trunk(make, recipe.shape)
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _pace(step, recipe.steps))
    rng = np.random.default_rng(recipe.seed)
    corpus = np.frombuffer(text, dtype=np.uint8).astype(np.int64)
    every = max(1, recipe.steps // LOSSES_KEPT)
    curve = []
    for step in range(recipe.steps):
        loss = _loss(model, *_batch(recipe, rng, corpus))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % every == 0 or step == recipe.steps - 1:
            curve.append([float(step), _finite(loss, step)])
    return model, curve


def predict(model: Trunk, tokens_BT: NDArray[np.int64], batch: int = 64) -> NDArray[np.int64]:
    """The likeliest token at each position, (B, T)."""
    with torch.no_grad():
        parts = [model.head(model(part)).argmax(-1) for part in torch.from_numpy(tokens_BT).split(batch)]
    answer: NDArray[np.int64] = torch.cat(parts).numpy()
    return answer


def hidden(model: Trunk, tokens_BT: NDArray[np.int64], batch: int = 32) -> NDArray[np.float32]:
    """The final hidden states, (B, T, D)."""
    with torch.no_grad():
        parts = [model(part) for part in torch.from_numpy(tokens_BT).split(batch)]
    answer: NDArray[np.float32] = torch.cat(parts).float().numpy()
    return answer


def _pace(step: int, steps: int) -> float:
    """Warm-up, then a cosine down to a tenth."""
    if step < WARM_UP_STEPS:
        return (step + 1) / WARM_UP_STEPS
    return 0.1 + 0.45 * (1.0 + math.cos(math.pi * (step - WARM_UP_STEPS) / max(1, steps - WARM_UP_STEPS)))


def _batch(recipe: Recipe, rng: np.random.Generator, corpus: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    if recipe.task is not None:
        tokens, answers = synthetic.make(recipe.task, rng, recipe.batch)
        return torch.from_numpy(tokens), torch.from_numpy(answers)
    start = rng.integers(len(corpus) - recipe.length, size=(recipe.batch, 1))
    window = torch.from_numpy(corpus[start + np.arange(recipe.length + 1)])
    return window[:, :-1], window[:, 1:]


def _loss(model: Trunk, tokens_BT: Tensor, answers_BT: Tensor) -> Tensor:
    asked = answers_BT != synthetic.NO_ANSWER
    logits: Tensor = model.head(model(tokens_BT)[asked])
    return torch.nn.functional.cross_entropy(logits, answers_BT[asked])


def _finite(loss: Tensor, step: int) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise Diverged(f"the training loss is {value} at step {step}")
    return value
