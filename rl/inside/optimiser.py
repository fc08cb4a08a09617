"""AdamW on one flat vector, with clipping by the norm. Written out: torch.optim imports torch._dynamo, 1.3 CPU s."""

from __future__ import annotations

import torch
from torch import Tensor


class AdamW:
    """Adam with decoupled weight decay. `flat_W` is changed in place."""

    def __init__(self, flat_W: Tensor, beta: float = 0.9, beta2: float = 0.95, decay: float = 0.0) -> None:
        self.flat_W, self.beta, self.beta2, self.decay, self.steps = flat_W, beta, beta2, decay, 0
        self.mean_W, self.square_W = torch.zeros_like(flat_W), torch.zeros_like(flat_W)

    @torch.no_grad()
    def step(self, gradient_W: Tensor, rate: float, most_norm: float = 1.0) -> None:
        """One update."""
        scale = min(1.0, most_norm / (float(gradient_W.norm()) + 1e-6))
        gradient_W = gradient_W * scale
        self.steps += 1
        self.mean_W.lerp_(gradient_W, 1.0 - self.beta)
        self.square_W.mul_(self.beta2).addcmul_(gradient_W, gradient_W, value=1.0 - self.beta2)
        size_W = (self.square_W / (1.0 - self.beta2**self.steps)).sqrt_().add_(1e-8)
        self.flat_W.mul_(1.0 - rate * self.decay)
        self.flat_W.addcdiv_(self.mean_W, size_W, value=-rate / (1.0 - self.beta**self.steps))
