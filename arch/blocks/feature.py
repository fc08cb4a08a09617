"""Slot `feature`: what queries and keys become. `feature(x_BTHD) -> x_BTHD`, of length one.

The delta rule is stable for such keys only.
"""

from typing import Annotated

from mixers import l2_norm
from torch import Tensor
from torch.nn import functional as F


def unit_silu(x_BTHD: Tensor) -> Tensor:
    """Keys and queries are silu of the convolution, scaled to length one.

    The choice of DeltaNet (arXiv 2406.06484). Such keys keep the delta rule stable for write strengths up to 2.
    """
    return l2_norm(F.silu(x_BTHD))


def unit_linear(x_BTHD: Tensor) -> Tensor:
    """Keys and queries are scaled to length one without a nonlinearity.

    Keys may point anywhere, so more of them can be nearly orthogonal than with features that are mostly positive.
    """
    return l2_norm(x_BTHD)


def unit_elu(x_BTHD: Tensor, *, shift: Annotated[float, (0.0, 1.0)] = 1.0) -> Tensor:
    """Keys and queries are elu plus a shift, scaled to length one.

    With a shift of 1 all features are positive (arXiv 2006.16236) and no two keys far apart; less shift separates them.
    """
    return l2_norm(F.elu(x_BTHD) + shift)


def unit_power(x_BTHD: Tensor, *, power: Annotated[float, (1.2, 4.0), "log"] = 2.0) -> Tensor:
    """Keys and queries keep their signs and are raised to a power, then scaled to length one.

    A power above one lets the largest channels dominate: keys come nearer to a one-hot code and to orthogonality.
    """
    return l2_norm(x_BTHD * (x_BTHD.abs() + 1e-3).pow(power - 1.0))


def unit_softmax(x_BTHD: Tensor, *, temperature: Annotated[float, (0.2, 2.0), "log"] = 0.7) -> Tensor:
    """Keys and queries are a softmax over channels, scaled to length one.

    The sharper, the more each key uses a place of its own; a memory of D places then behaves like a small table.
    """
    return l2_norm((x_BTHD / temperature).softmax(-1))
