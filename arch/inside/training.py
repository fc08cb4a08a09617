"""Trains a small model around the candidate's mixer, inside the sandbox, and runs trained ones on prompts.

It scores nothing: weights, a loss curve and hidden states leave, and trusted code judges them.
Runs only where `mixers` and `synthetic` are importable (arch/inside on the path). One thread.

Shapes: B batch, T time, V vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import synthetic
import torch
from mixers.trunk import MakeMixer, Shape, Trunk
from numpy.typing import NDArray
from torch import Tensor, nn

WARM_UP_STEPS = 20
LOSSES_KEPT = 40


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


class Diverged(ValueError):
    """The training loss is not a number."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the training loss is not a number at step {step}")
        self.step = step


class AdamW:
    """Adam with decoupled weight decay and clipping by the global norm. Clears the gradients after each step.

    Written out because torch.optim imports torch._dynamo at its first use, 1.3 CPU s in every job.
    """

    def __init__(
        self, parameters: list[nn.Parameter], decay: float = 0.01, beta: float = 0.9, beta2: float = 0.98
    ) -> None:
        self.parameters, self.decay, self.beta, self.beta2, self.steps = parameters, decay, beta, beta2, 0
        self.mean = [torch.zeros_like(parameter) for parameter in parameters]
        self.square = [torch.zeros_like(parameter) for parameter in parameters]

    @torch.no_grad()
    def step(self, rate: float, most_norm: float = 1.0) -> None:
        """One update. A parameter without a gradient only decays."""
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
        torch._foreach_mul_(gradients, float(min(1.0, most_norm / (float(norm) + 1e-6))))
        self.steps += 1
        torch._foreach_lerp_(self.mean, gradients, 1.0 - self.beta)
        torch._foreach_mul_(self.square, self.beta2)
        torch._foreach_addcmul_(self.square, gradients, gradients, 1.0 - self.beta2)
        size = torch._foreach_div(self.square, 1.0 - self.beta2**self.steps)
        torch._foreach_sqrt_(size)
        torch._foreach_add_(size, 1e-8)
        weights: list[Tensor] = list(self.parameters)
        torch._foreach_mul_(weights, 1.0 - rate * self.decay)
        torch._foreach_addcdiv_(weights, self.mean, size, -rate / (1.0 - self.beta**self.steps))
        for parameter in self.parameters:
            parameter.grad = None


def train(make: MakeMixer, recipe: Recipe, text: bytes) -> tuple[Trunk, list[list[float]]]:
    """The trained model and (step, loss) pairs. Raises Diverged."""
    torch.manual_seed(recipe.seed)
    model = Trunk(make, recipe.shape)
    model.train()
    optimiser = AdamW(list(model.parameters()))
    rng = np.random.default_rng(recipe.seed)
    corpus = np.frombuffer(text, dtype=np.uint8).astype(np.int64)
    every = max(1, recipe.steps // LOSSES_KEPT)
    curve = []
    for step in range(recipe.steps):
        loss = _loss(model, *_batch(recipe, rng, corpus))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(recipe.learning_rate * _pace(step, recipe.steps))
        if step % every == 0 or step == recipe.steps - 1:
            curve.append([float(step), _finite(loss, step)])
    return model, curve


def hidden(model: Trunk, tokens_BT: NDArray[np.int64], batch: int = 32) -> NDArray[np.float32]:
    """The final hidden states, (B, T, D)."""
    tokens = torch.from_numpy(tokens_BT).to(model.norm.device)
    with torch.no_grad():
        parts = [model(part).float().cpu() for part in torch.split(tokens, batch)]
    answer: NDArray[np.float32] = torch.cat(parts).numpy()
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
        raise Diverged(step)
    return value
