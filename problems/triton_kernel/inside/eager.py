"""What a user of torch would write, with the signature of a candidate: the yardstick of timings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Launch = Callable[..., Any]


def eager(name: str) -> Launch:
    """Of that operation. Raises KeyError."""
    known: dict[str, Launch] = {"add_rms_norm": _add_rms_norm, "softmax": _softmax}
    return known[name]


def _add_rms_norm(x: Tensor, residual: Tensor, weight: Tensor, eps: float, out: Tensor, summed: Tensor) -> None:
    torch.add(x, residual, out=summed)
    out.copy_(torch.nn.functional.rms_norm(summed, summed.shape[1:], weight, eps))


def _softmax(x: Tensor, out: Tensor) -> None:
    torch.softmax(x, 1, out=out)
