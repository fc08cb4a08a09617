"""Slot `surrogate`: what is maximised. `surrogate(logps_NT, old_NT, advantages_N1, mask_NT, ctx) -> gains_NT`."""

from typing import Annotated

import torch
from torch import Tensor


def clipped_ratio(
    logps_NT: Tensor, old_NT: Tensor, advantages_N1: Tensor, mask_NT: Tensor, ctx: object, *,
    low: Annotated[float, (0.05, 0.5), "log"] = 0.2, high: Annotated[float, (0.05, 1.0), "log"] = 0.2,
) -> Tensor:  # fmt: skip
    """The clipped ratio of PPO and GRPO.

    A higher upper edge (DAPO: 0.28) lets rare good tokens grow faster.
    """
    ratio_NT = torch.exp(logps_NT - old_NT)
    return torch.min(ratio_NT * advantages_N1, ratio_NT.clamp(1 - low, 1 + high) * advantages_N1)


def mirrored_clip(
    logps_NT: Tensor, old_NT: Tensor, advantages_N1: Tensor, mask_NT: Tensor, ctx: object, *,
    near: Annotated[float, (0.05, 0.4), "log"] = 0.2, far: Annotated[float, (0.1, 0.8), "log"] = 0.28,
) -> Tensor:  # fmt: skip
    """A clip window that depends on the advantage's sign: Algorithm A's.

    Good tokens may rise further than they fall, bad ones may fall further than they rise.
    """
    ratio_NT, is_good_N1 = torch.exp(logps_NT - old_NT), advantages_N1 >= 0
    down_N1, up_N1 = torch.where(is_good_N1, near, far), torch.where(is_good_N1, far, near)
    clipped_NT = torch.max(torch.min(ratio_NT, 1 + up_N1), 1 - down_N1)
    return torch.min(ratio_NT * advantages_N1, clipped_NT * advantages_N1)


def budget_radius(
    logps_NT: Tensor, old_NT: Tensor, advantages_N1: Tensor, mask_NT: Tensor, ctx: object, *,
    cap: Annotated[float, (1.5, 6.0), "log"] = 3.0,
) -> Tensor:  # fmt: skip
    """The log ratio stays within ln(cap / |A|): Algorithm B's.

    Large advantages get a small radius, so that ratio times advantage stays under the cap.
    """
    radius_N1 = torch.log(cap / advantages_N1.abs().clamp(1e-3, cap))
    return torch.exp(torch.max(torch.min(logps_NT - old_NT, radius_N1), -radius_N1)) * advantages_N1


def capped_weight(
    logps_NT: Tensor, old_NT: Tensor, advantages_N1: Tensor, mask_NT: Tensor, ctx: object, *,
    cap: Annotated[float, (1.0, 6.0), "log"] = 2.0,
) -> Tensor:  # fmt: skip
    """The log-probability itself, weighed by a capped ratio without gradient: CISPO's.

    No token's gradient is ever switched off.
    """
    return torch.exp(logps_NT - old_NT).clamp(max=cap).detach() * advantages_N1 * logps_NT


def soft_gate(
    logps_NT: Tensor, old_NT: Tensor, advantages_N1: Tensor, mask_NT: Tensor, ctx: object, *,
    steep: Annotated[float, (0.5, 6.0), "log"] = 1.0, asymmetry: Annotated[float, (0.7, 2.0), "log"] = 1.05,
) -> Tensor:  # fmt: skip
    """A sigmoid of the ratio in place of the clip: SAPO's.

    The gradient fades with distance instead of stopping at an edge.
    """
    steep_N1 = torch.where(advantages_N1 > 0, steep, steep * asymmetry)
    return torch.sigmoid(steep_N1 * (torch.exp(logps_NT - old_NT) - 1)) * 4 / steep_N1 * advantages_N1


def sequence_ratio(
    logps_NT: Tensor, old_NT: Tensor, advantages_N1: Tensor, mask_NT: Tensor, ctx: object, *,
    width: Annotated[float, (3e-4, 0.3), "log"] = 0.05,
) -> Tensor:  # fmt: skip
    """One ratio per completion, the geometric mean over its tokens: GSPO's.

    Clipped as a whole, so a completion is either learnt from or not.
    """
    log_ratio_N1 = ((logps_NT - old_NT) * mask_NT).sum(1, keepdim=True) / mask_NT.sum(1, keepdim=True).clamp(min=1.0)
    ratio_N1 = torch.exp(log_ratio_N1)
    gain_N1 = torch.min(ratio_N1 * advantages_N1, ratio_N1.clamp(1 - width, 1 + width) * advantages_N1)
    return gain_N1.expand_as(logps_NT)
