"""Slot `route`: memory and local path become one. `route(memory_BTHD, local_BTHD, logit_BTH) -> y_BTHD`.

The families of the paper's best designs (section 4.1): hierarchical, sharpened, independent, floored, sparse gates.
"""

from typing import Annotated

from torch import Tensor


def add_both(memory_BTHD: Tensor, local_BTHD: Tensor, logit_BTH: Tensor) -> Tensor:
    """Memory and local path are added, without a gate.

    The plain choice. It leaves the weighing to the output projection, which cannot see the token.
    """
    return memory_BTHD + local_BTHD


def sigmoid_gates(
    memory_BTHD: Tensor, local_BTHD: Tensor, logit_BTH: Tensor, *, bias: Annotated[float, (-1.0, 4.0)] = 1.0
) -> Tensor:
    """A gate on the memory and another on the local path, both sigmoids, not competing.

    Both may be open. Start with the memory's gate mostly open.
    """
    logit = logit_BTH[..., None]
    return (logit + bias).sigmoid() * memory_BTHD + (bias - logit).sigmoid() * local_BTHD


def sharp_router(
    memory_BTHD: Tensor,
    local_BTHD: Tensor,
    logit_BTH: Tensor,
    *,
    temperature: Annotated[float, (0.1, 2.0), "log"] = 0.5,
) -> Tensor:
    """Memory and local path compete; a low temperature makes the choice sharp.

    A sharpened router commits early; too sharp and the losing side stops learning.
    """
    share = (logit_BTH[..., None] / temperature).sigmoid()
    return share * memory_BTHD + (1.0 - share) * local_BTHD


def floored_router(
    memory_BTHD: Tensor, local_BTHD: Tensor, logit_BTH: Tensor, *, floor: Annotated[float, (0.02, 0.4)] = 0.1
) -> Tensor:
    """Memory and local path compete, but each keeps a share.

    A floor keeps both sides trained: no path dies early.
    """
    share = floor + (1.0 - 2.0 * floor) * logit_BTH[..., None].sigmoid()
    return share * memory_BTHD + (1.0 - share) * local_BTHD


def sparse_gate(
    memory_BTHD: Tensor, local_BTHD: Tensor, logit_BTH: Tensor, *, slope: Annotated[float, (0.1, 1.0), "log"] = 0.25
) -> Tensor:
    """The local path is switched in by a clipped line, exactly zero for part of the tokens.

    Sparse where the memory suffices; the memory itself always passes.
    """
    return memory_BTHD + (0.5 + slope * logit_BTH[..., None]).clamp(0.0, 1.0) * local_BTHD


def head_then_token(
    memory_BTHD: Tensor, local_BTHD: Tensor, logit_BTH: Tensor, *, coarse: Annotated[float, (0.2, 0.9)] = 0.5
) -> Tensor:
    """Two levels: first the heads share out how much local context is used, then each decides for itself.

    A hierarchical gate: the softmax over heads is the coarse level, the sigmoid the fine one.
    """
    outer = logit_BTH.softmax(-1)[..., None] * logit_BTH.shape[-1]
    inner = logit_BTH[..., None].sigmoid()
    return memory_BTHD + (coarse * outer + (1.0 - coarse)) * inner * local_BTHD
