"""Slot `path`: the local path, a filter over the last four values. `path(local_BTHD) -> local_BTHD`."""

from typing import Annotated

import torch
from mixers import rms_norm
from torch import Tensor
from torch.nn import functional as F


def no_path(local_BTHD: Tensor) -> Tensor:
    """No local path: everything goes through the memory.

    The plain choice, and a control for all the others.
    """
    return torch.zeros_like(local_BTHD)


def linear_path(local_BTHD: Tensor, *, gain: Annotated[float, (0.1, 1.5), "log"] = 0.5) -> Tensor:
    """The filtered values as they are.

    Short-range content, such as the last letters of a word, does not have to be looked up in the memory.
    """
    return gain * local_BTHD


def silu_path(local_BTHD: Tensor, *, gain: Annotated[float, (0.1, 2.0), "log"] = 0.7) -> Tensor:
    """The filtered values through silu.

    A nonlinear local path: a small gated convolution beside the memory.
    """
    return gain * F.silu(local_BTHD)


def normed_path(local_BTHD: Tensor, *, gain: Annotated[float, (0.05, 1.0), "log"] = 0.3) -> Tensor:
    """The filtered values at the size of the memory's normalised output.

    Equal sizes make a routing gate mean what it says.
    """
    return gain * rms_norm(local_BTHD)
