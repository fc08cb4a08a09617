"""Random inputs for the two rules, small enough for a CPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sizes:
    """Batch, tokens, query and key heads, value heads, head dimensions."""

    batch: int = 1
    tokens: int = 80
    heads: int = 1
    value_heads: int = 1
    key_dim: int = 16
    value_dim: int = 16
    gated: bool = False


@dataclass(frozen=True)
class Sample:
    """Arguments of both rules; `g_BTZ` is None for the rule without a gate."""

    q_BTHK: Tensor
    k_BTHK: Tensor
    v_BTZV: Tensor
    beta_BTZ: Tensor
    g_BTZ: Tensor | None
    state_NZKV: Tensor

    def leaves(self) -> list[Tensor]:
        """What a gradient is asked for, in a fixed order."""
        every = (self.q_BTHK, self.k_BTHK, self.v_BTZV, self.beta_BTZ, self.g_BTZ, self.state_NZKV)
        return [x for x in every if x is not None]

    def to(self, dtype: torch.dtype, device: str = "cpu") -> Sample:
        """A copy with gradients switched on."""
        return Sample(*(None if x is None else _leaf(x, dtype, device) for x in self._fields()))  # type: ignore[arg-type]

    def _fields(self) -> tuple[Tensor | None, ...]:
        return self.q_BTHK, self.k_BTHK, self.v_BTZV, self.beta_BTZ, self.g_BTZ, self.state_NZKV


def _leaf(x: Tensor, dtype: torch.dtype, device: str) -> Tensor:
    return x.detach().to(device=device, dtype=dtype).requires_grad_()


def draw(sizes: Sizes, seed: int = 0, sequences: int | None = None) -> Sample:
    """Keys of length one, rates in (0, 1), decays around 0.9, and a state of the order of one. In float64."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    batch, tokens, values = sizes.batch, sizes.tokens, sizes.value_heads
    q_BTHK = normal(batch, tokens, sizes.heads, sizes.key_dim)
    k_BTHK = torch.nn.functional.normalize(normal(batch, tokens, sizes.heads, sizes.key_dim), dim=-1)
    v_BTZV = normal(batch, tokens, values, sizes.value_dim)
    beta_BTZ = torch.sigmoid(normal(batch, tokens, values))
    g_BTZ = torch.nn.functional.logsigmoid(2 + normal(batch, tokens, values)) if sizes.gated else None
    state_NZKV = normal(batch if sequences is None else sequences, values, sizes.key_dim, sizes.value_dim)
    return Sample(q_BTHK, k_BTHK, v_BTZV, beta_BTZ, g_BTZ, state_NZKV)


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """The largest deviation over the largest expected value, so that a few tiny entries do not decide."""
    assert actual.shape == expected.shape
    difference = (actual.detach().double().cpu() - expected.detach().double().cpu()).abs().max()
    return float(difference / expected.detach().double().abs().max().cpu())
