"""`chunk_delta_rule` and `chunk_gated_delta_rule`: arguments checked, kernels launched, gradients wired to autograd.

Names, order and layout of the arguments are flash-linear-attention's, as far as they exist here; anything else (sigmoid
or gate inside the kernel, transposed states, context parallelism) is no argument and so a TypeError. There is no way
around the kernels on a CPU: `evo_kernels.reference` is that way, and a caller chooses it knowingly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from evo_kernels import launch
from evo_kernels.choices import CHUNK_SIZES, EVERY, HEAD_DIMS
from evo_kernels.jit import interpreted
from evo_kernels.plan import Plan, offsets_of, plan

NORM_EPS = 1e-6  # as in flash-linear-attention


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is no tensor with a gradient."""

    scale: float
    plan: Plan
    chunk_size: int
    every: int
    keep_final: bool
    #: Whether the forward kernels leave their intermediate results for a backward pass.
    keep: bool


def chunk_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    use_qk_l2norm_in_kernel: bool = False,
    cu_seqlens: Tensor | None = None,
    cu_seqlens_cpu: Tensor | None = None,
    *,
    chunk_size: int = 64,
    keep_every: int = EVERY,
    recompute: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Outputs [B,T,Z,V] in the dtype of v, and the final states [N,Z,K,V] in float32 if asked for.

    q, k [B,T,H,K]; v [B,T,Z,V] with Z a multiple of H; beta [B,T,Z]; initial_state [N,Z,K,V]. With `cu_seqlens` [N+1]
    B is 1 and the N sequences are packed; `cu_seqlens_cpu` spares waiting for the GPU. `scale` is 1/sqrt(K) by default.
    `recompute` keeps nothing but the inputs for the backward pass, which then runs the forward kernels again.
    """
    return _uncompiled(
        (q, k, v, None, beta, initial_state),
        scale,
        output_final_state,
        use_qk_l2norm_in_kernel,
        cu_seqlens if cu_seqlens_cpu is None else cu_seqlens_cpu,
        (chunk_size, keep_every, recompute),
    )


def chunk_gated_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    beta: Tensor,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    use_qk_l2norm_in_kernel: bool = False,
    *,
    cu_seqlens: Tensor | None = None,
    cu_seqlens_cpu: Tensor | None = None,
    chunk_size: int = 64,
    keep_every: int = EVERY,
    recompute: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """As `chunk_delta_rule`, with `g` [B,T,Z]: the logarithm of the factor that the state decays by, at most 0."""
    return _uncompiled(
        (q, k, v, g, beta, initial_state),
        scale,
        output_final_state,
        use_qk_l2norm_in_kernel,
        cu_seqlens if cu_seqlens_cpu is None else cu_seqlens_cpu,
        (chunk_size, keep_every, recompute),
    )


_Tensors = tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor, Tensor | None]


def _run(
    tensors: _Tensors,
    scale: float | None,
    keep_final: bool,
    normalise: bool,
    cu_seqlens: Tensor | None,
    options: tuple[int, int, bool],
) -> tuple[Tensor, Tensor | None]:
    chunk_size, every, recompute = options
    q, k, v, g, beta, initial_state = tensors
    batch, tokens = q.shape[:2]
    _check_shapes(q, k, v, g, beta)
    _check_kinds(q, k, v, chunk_size, every)
    offsets = offsets_of(batch, tokens, cu_seqlens)
    _check_sequences(offsets, q, v, cu_seqlens, initial_state)
    if normalise:
        q, k = _unit(q), _unit(k)
    settings = Settings(
        scale=q.shape[-1] ** -0.5 if scale is None else scale,
        plan=plan(offsets, chunk_size, every, q.device),
        chunk_size=chunk_size,
        every=every,
        keep_final=keep_final,
        # asked here: inside an autograd function the mode is always off, and its inputs want gradients even without it
        keep=not recompute and torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors),
    )
    rows = [None if x is None else x.flatten(0, 1).contiguous() for x in (q, k, v, g, beta)]
    first = None if initial_state is None else initial_state.contiguous()
    o_LZV, final_NZKV = _DeltaRule.apply(*rows, first, settings)  # type: ignore[no-untyped-call]
    return o_LZV.reshape(v.shape), final_NZKV


#: torch.compile leaves these calls as they are: the kernels are compiled already, and the plan reads numbers.
_uncompiled: Callable[..., tuple[Tensor, Tensor | None]] = torch.compiler.disable(_run)  # type: ignore[no-untyped-call]


def _unit(x: Tensor) -> Tensor:
    """Rows of length one, computed in float32."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().sum(-1, keepdim=True) + NORM_EPS)).to(x.dtype)


class _DeltaRule(torch.autograd.Function):
    """Saves the inputs, and with `keep` what the forward kernels computed on the way."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        g: Tensor | None,
        beta: Tensor,
        first: Tensor | None,
        settings: Settings,
    ) -> tuple[Tensor, Tensor | None]:
        rule = _rule((q, k, v, g, beta, first), settings)
        o_LZV, final_NZKV, kept = launch.forward(rule, settings.plan, settings.keep, settings.keep_final)
        ctx.settings = settings
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(q, k, v, g, beta, first, *(kept.tensors() if settings.keep else ()))
        return o_LZV, final_NZKV

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, do: Tensor | None, dfinal: Tensor | None) -> tuple[Tensor | None, ...]:
        settings: Settings = ctx.settings
        inputs, saved = ctx.saved_tensors[:6], ctx.saved_tensors[6:]
        rule = _rule(inputs, settings)
        if settings.keep:
            kept = launch.Kept(*saved)
        else:
            kept = launch.forward(rule, settings.plan, keep=True, keep_final=False)[2]
        do_LZV = torch.zeros_like(rule.v_LZV) if do is None else do.to(rule.v_LZV.dtype).contiguous()
        dfinal_NZKV = None if dfinal is None else dfinal.contiguous()
        first_wanted = rule.first_NZKV is not None and ctx.needs_input_grad[5]
        found = launch.backward(rule, settings.plan, kept, do_LZV, dfinal_NZKV, first_wanted)
        every = (found.q_LHK, found.k_LHK, found.v_LZV, found.g_LZ, found.beta_LZ, found.first_NZKV)
        return *(None if d is None else d.to(x.dtype) for d, x in zip(every, inputs, strict=True)), None


def _rule(tensors: _Tensors, settings: Settings) -> launch.Rule:
    return launch.Rule(*tensors, settings.scale, settings.chunk_size, settings.every)


def _check_shapes(q: Tensor, k: Tensor, v: Tensor, g: Tensor | None, beta: Tensor) -> None:
    if q.ndim != 4 or q.shape != k.shape or v.ndim != 4 or v.shape[:2] != q.shape[:2]:
        raise ValueError(
            f"expected q and k [B,T,H,K] and v [B,T,Z,V], got {tuple(q.shape)}, {tuple(k.shape)} and {tuple(v.shape)}"
        )
    if v.shape[2] % q.shape[2]:
        raise ValueError(f"the {v.shape[2]} heads of v must be a multiple of the {q.shape[2]} of q and k")
    for name, x in (("beta", beta), ("g", g)):
        if x is not None and x.shape != v.shape[:3]:
            raise ValueError(f"expected {name} [B,T,Z] = {tuple(v.shape[:3])}, got {tuple(x.shape)}")


def _check_kinds(q: Tensor, k: Tensor, v: Tensor, chunk_size: int, every: int) -> None:
    if not q.is_cuda and not interpreted():
        raise ValueError(f"expected tensors on a GPU, got {q.device}; on a CPU call evo_kernels.reference.chunked")
    if q.dtype not in (torch.bfloat16, torch.float16, torch.float32) or not q.dtype == k.dtype == v.dtype:
        raise ValueError(f"expected q, k, v of one dtype out of bf16, fp16, fp32, got {q.dtype}, {k.dtype}, {v.dtype}")
    if interpreted() and q.dtype == torch.bfloat16:
        raise ValueError("Triton's interpreter multiplies bf16 wrongly without saying so; use float32 there")
    if q.shape[-1] not in HEAD_DIMS or v.shape[-1] not in HEAD_DIMS:
        raise ValueError(f"head dimensions must be of {HEAD_DIMS}, got K={q.shape[-1]} and V={v.shape[-1]}; pad with 0")
    if chunk_size not in CHUNK_SIZES or every < 1:
        raise ValueError(f"chunk_size must be of {CHUNK_SIZES} and keep_every at least 1, got {chunk_size} and {every}")


def _check_sequences(
    offsets: tuple[int, ...], q: Tensor, v: Tensor, cu_seqlens: Tensor | None, initial_state: Tensor | None
) -> None:
    if cu_seqlens is not None and q.shape[0] != 1:
        raise ValueError(f"with cu_seqlens the sequences are packed into a batch of 1, got {q.shape[0]}")
    if offsets[0] != 0 or offsets[-1] != q.shape[0] * q.shape[1] or list(offsets) != sorted(offsets):
        raise ValueError(f"cu_seqlens must rise from 0 to the {q.shape[1]} tokens, got {list(offsets)}")
    expected = (len(offsets) - 1, v.shape[2], q.shape[3], v.shape[3])
    if initial_state is not None and tuple(initial_state.shape) != expected:
        raise ValueError(f"expected initial_state [N,Z,K,V] = {expected}, got {tuple(initial_state.shape)}")
