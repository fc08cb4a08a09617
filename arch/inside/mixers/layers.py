"""Small layers that mixers are built from. Each is a function; parameters belong to whoever calls it.

Shapes: B batch, T time, H heads, D head width, C channels, W width of a convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor


def l2_norm(x: Tensor, eps: float = 1e-6) -> Tensor:
    """The last axis scaled to length one."""
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + eps)


def rms_norm(x: Tensor, weight: Tensor | None = None, eps: float = 1e-6) -> Tensor:
    """The last axis scaled to a root mean square of one, then by `weight` (of that axis) if there is one."""
    y = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
    return y if weight is None else y * weight


def short_conv(x_BTC: Tensor, weight_CW: Tensor, tail_BWC: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A causal depth-wise convolution, y_t = sum_j weight[:, j] x_(t - W + 1 + j), and the last W - 1 inputs.

    Give the returned tail back to go on where the last call ended; None starts with zeros.
    """
    width = weight_CW.shape[1]
    if tail_BWC is None:
        tail_BWC = x_BTC.new_zeros(x_BTC.shape[0], width - 1, x_BTC.shape[2])
    longer = torch.cat([tail_BWC, x_BTC], dim=1)
    length = x_BTC.shape[1]
    taps = [longer[:, j : j + length] * weight_CW[:, j] for j in range(width)]
    return torch.stack(taps).sum(0), longer[:, length:]


def split_heads(x_BTC: Tensor, n_heads: int) -> Tensor:
    """(B, T, H * D) as (B, T, H, D)."""
    return x_BTC.reshape(*x_BTC.shape[:-1], n_heads, x_BTC.shape[-1] // n_heads)


def rope(x_BTHD: Tensor, start: int = 0, base: float = 10_000.0) -> Tensor:
    """Rotary position embedding (arXiv 2104.09864) for positions `start`, `start + 1`, ...; D is even."""
    half = x_BTHD.shape[-1] // 2
    where = torch.arange(start, start + x_BTHD.shape[1], device=x_BTHD.device, dtype=x_BTHD.dtype)
    speed = base ** (-torch.arange(half, device=x_BTHD.device, dtype=x_BTHD.dtype) / half)
    angle_T1D = torch.outer(where, speed)[:, None, :]
    left, right = x_BTHD.chunk(2, dim=-1)
    cos, sin = angle_T1D.cos(), angle_T1D.sin()
    return torch.cat([left * cos - right * sin, left * sin + right * cos], dim=-1)
