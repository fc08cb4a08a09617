"""Which kernels the memories run on: torch (default), fla (flash-linear-attention) or ours (evo_kernels).

fla and ours need CUDA and are imported at their first call (fla alone costs seconds). Where one is missing, the call
raises BackendUnavailable with one line. Not measured on a GPU here: the argument names follow fla 0.6.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal

import torch
from torch import Tensor

Backend = Literal["torch", "fla", "ours"]
FLA = {
    (False, False): ("fla.ops.linear_attn", "chunk_linear_attn"),
    (True, False): ("fla.ops.simple_gla", "chunk_simple_gla"),
    (False, True): ("fla.ops.delta_rule", "chunk_delta_rule"),
    (True, True): ("fla.ops.gated_delta_rule", "chunk_gated_delta_rule"),
}
FLA_CHANNEL = {False: ("fla.ops.gla", "chunk_gla"), True: ("fla.ops.kda", "chunk_kda")}
OURS = {
    (False, True): ("evo_kernels", "chunk_delta_rule"),
    (True, True): ("evo_kernels", "chunk_gated_delta_rule"),
}

_current: Backend = "torch"


class BackendUnavailable(RuntimeError):
    """The chosen back end cannot run here; the message says why in one line."""


def current() -> Backend:
    """The back end in use in this process."""
    return _current


def use(backend: Backend) -> None:
    """Choose for this process. Nothing is imported yet. Raises BackendUnavailable for an unknown name."""
    global _current
    if backend not in ("torch", "fla", "ours"):
        raise BackendUnavailable(f"no back end is called {backend!r}: expected torch, fla or ours")
    _current = backend


def call(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None,
    beta: Tensor | None,
    scale: float | None,
    state: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The memory on fla's or our kernels. Raises BackendUnavailable."""
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    out, final = _kernel(g, beta)(q=q, k=k, v=v, **options(g, beta, scale, state))[:2]
    return out, final


def options(g: Tensor | None, beta: Tensor | None, scale: float, state: Tensor | None) -> dict[str, Any]:
    """What a kernel is given besides q, k and v, by the names that fla 0.6 uses."""
    named: dict[str, Any] = {"scale": scale, "initial_state": state, "output_final_state": True}
    if g is not None:
        named["g"] = g
    if beta is not None:
        named["beta"] = beta
    if g is None and beta is None:
        named["normalize"] = False  # the quotient of the first linear attention, which ours does not have
    return named


def _kernel(g: Tensor | None, beta: Tensor | None) -> Any:
    if not torch.cuda.is_available():
        raise BackendUnavailable(f"the back end {_current!r} needs CUDA, and there is none: use('torch')")
    per_channel = g is not None and g.dim() == 4
    key = (g is not None, beta is not None)
    if _current == "ours":
        if per_channel or key not in OURS:
            raise BackendUnavailable("the back end 'ours' has the delta and gated delta rules only: use('fla')")
        return _load(*OURS[key])
    return _load(*(FLA_CHANNEL[beta is not None] if per_channel else FLA[key]))


def _load(module: str, name: str) -> Any:
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise BackendUnavailable(f"{module}.{name} cannot be imported ({error}): use('torch')") from None
