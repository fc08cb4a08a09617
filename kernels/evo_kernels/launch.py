"""From tensors to launches: two of the forward pass, two of the backward pass. No autograd, no checks of arguments.

Everything is packed: B sequences of equal length are [B*T, heads, dim]; the plan's table says where each starts.
Shapes: L = B*T rows, H query and key heads, Z value heads, K and V head dimensions, C chunk, N sequences, R kept
states.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from evo_kernels.backward_kernels import gradient_kernel, reverse_kernel
from evo_kernels.choices import Choice, choose
from evo_kernels.forward_kernels import chain_kernel, intra_kernel
from evo_kernels.plan import Plan


@dataclass(frozen=True, slots=True)
class Rule:
    """The inputs of either rule, contiguous; `g_LZ` is None without a gate."""

    q_LHK: Tensor
    k_LHK: Tensor
    v_LZV: Tensor
    g_LZ: Tensor | None
    beta_LZ: Tensor
    first_NZKV: Tensor | None
    scale: float
    chunk_size: int
    every: int

    def choice(self, plan: Plan) -> Choice:
        """How the kernels are launched for these sizes."""
        _, values, value_dim = self.v_LZV.shape
        return choose(self.q_LHK.shape[-1], value_dim, plan.sequences * values, self.q_LHK.element_size())

    def sizes(self) -> dict[str, int | bool | str]:
        """The compile-time arguments that all kernels share."""
        return {
            "H": self.q_LHK.shape[1],
            "Z": self.v_LZV.shape[1],
            "K": self.q_LHK.shape[2],
            "V": self.v_LZV.shape[2],
            "C": self.chunk_size,
            "GATED": self.g_LZ is not None,
            "PRECISION": "ieee" if self.q_LHK.dtype == torch.float32 else "tf32",
        }

    def solve_precision(self) -> str:
        """Of the products inside the inverse, which are always of float32 numbers."""
        return "ieee" if self.q_LHK.dtype == torch.float32 else "tf32x3"


@dataclass(frozen=True, slots=True)
class Kept:
    """What the forward pass leaves for the backward pass."""

    w_LZK: Tensor
    change_LZV: Tensor
    M_LZC: Tensor
    P_LZC: Tensor
    gc_LZ: Tensor | None
    states_RZKV: Tensor

    def tensors(self) -> tuple[Tensor | None, ...]:
        """In the order of the fields."""
        return self.w_LZK, self.change_LZV, self.M_LZC, self.P_LZC, self.gc_LZ, self.states_RZKV


@dataclass(frozen=True, slots=True)
class Gradients:
    """One gradient per input, in float32 or the dtype of the input."""

    q_LHK: Tensor
    k_LHK: Tensor
    v_LZV: Tensor
    g_LZ: Tensor | None
    beta_LZ: Tensor
    first_NZKV: Tensor | None


def forward(rule: Rule, plan: Plan, keep: bool, keep_final: bool) -> tuple[Tensor, Tensor | None, Kept]:
    """Outputs, final states in float32 if wanted, and (with `keep`) what the backward pass needs."""
    q, v = rule.q_LHK, rule.v_LZV
    (rows, values, value_dim), key_dim = v.shape, q.shape[2]
    kept = Kept(
        w_LZK=q.new_empty(rows, values, key_dim),
        change_LZV=torch.empty_like(v),
        M_LZC=q.new_empty(rows if keep else 0, values, rule.chunk_size),
        P_LZC=q.new_empty(rows, values, rule.chunk_size),
        gc_LZ=None if rule.g_LZ is None else torch.empty_like(rule.beta_LZ, dtype=torch.float32),
        states_RZKV=q.new_empty(plan.kept_states if keep else 0, values, key_dim, value_dim),
    )
    state_shape = (plan.sequences, values, key_dim, value_dim)
    final_NZKV = q.new_empty(state_shape, dtype=torch.float32) if keep_final else None
    o_LZV = torch.empty_like(v)
    with _on(q):
        _intra(rule, plan, kept, keep)
        _chain(rule, plan, kept, o_LZV, final_NZKV, keep)
    return o_LZV, final_NZKV, kept


def backward(
    rule: Rule, plan: Plan, kept: Kept, do_LZV: Tensor, dfinal_NZKV: Tensor | None, first_wanted: bool
) -> Gradients:
    """The gradients of all inputs; that of the first state only if wanted."""
    q, v = rule.q_LHK, rule.v_LZV
    (rows, values, value_dim), key_dim = v.shape, q.shape[2]
    dchange_LZV = torch.empty_like(v)
    dstates_RZKV = torch.empty_like(kept.states_RZKV)
    state_shape = (plan.sequences, values, key_dim, value_dim)
    gradients = Gradients(
        q_LHK=q.new_empty(rows, values, key_dim),
        k_LHK=q.new_empty(rows, values, key_dim),
        v_LZV=torch.empty_like(v),
        g_LZ=None if rule.g_LZ is None else torch.empty_like(rule.beta_LZ, dtype=torch.float32),
        beta_LZ=torch.empty_like(rule.beta_LZ, dtype=torch.float32),
        first_NZKV=q.new_empty(state_shape, dtype=torch.float32) if first_wanted else None,
    )
    with _on(q):
        _reverse(rule, plan, kept, do_LZV, dfinal_NZKV, dchange_LZV, dstates_RZKV, gradients.first_NZKV)
        _gradient(rule, plan, kept, do_LZV, dchange_LZV, dstates_RZKV, gradients)
    heads = q.shape[1]
    return Gradients(
        _sum_group(gradients.q_LHK, heads),
        _sum_group(gradients.k_LHK, heads),
        gradients.v_LZV,
        gradients.g_LZ,
        gradients.beta_LZ,
        gradients.first_NZKV,
    )


def _on(q: Tensor) -> AbstractContextManager[object]:
    """Triton launches on the current device, which need not be the one that holds the tensors."""
    return torch.cuda.device(q.device) if q.is_cuda else nullcontext()


def _sum_group(d_LZK: Tensor, heads: int) -> Tensor:
    """Value heads that share a query and key head add up."""
    rows, values, key_dim = d_LZK.shape
    if values == heads:
        return d_LZK
    return d_LZK.reshape(rows, heads, values // heads, key_dim).sum(2)


def _intra(rule: Rule, plan: Plan, kept: Kept, keep: bool) -> None:
    launch, chunks = rule.choice(plan).intra, plan.chunks.shape[0]
    if chunks == 0:
        return
    intra_kernel[(chunks, rule.v_LZV.shape[1])](
        rule.q_LHK,
        rule.k_LHK,
        rule.v_LZV,
        rule.g_LZ,
        rule.beta_LZ,
        kept.w_LZK,
        kept.change_LZV,
        kept.M_LZC,
        kept.P_LZC,
        kept.gc_LZ,
        plan.chunks,
        plan.bounds,
        rule.scale,
        BK=launch.block_k,
        BV=launch.block_v,
        KEEP=keep,
        SOLVE=rule.solve_precision(),
        **rule.sizes(),
        num_warps=launch.warps,
        num_stages=launch.stages,
    )


def _chain(rule: Rule, plan: Plan, kept: Kept, o_LZV: Tensor, final_NZKV: Tensor | None, keep: bool) -> None:
    launch = rule.choice(plan).chain
    _, values, value_dim = rule.v_LZV.shape
    chain_kernel[(plan.sequences * values * (value_dim // launch.block_v),)](
        rule.q_LHK,
        rule.k_LHK,
        kept.w_LZK,
        kept.change_LZV,
        kept.P_LZC,
        kept.gc_LZ,
        o_LZV,
        rule.first_NZKV,
        final_NZKV,
        kept.states_RZKV if keep else None,
        plan.bounds,
        rule.scale,
        BV=launch.block_v,
        EVERY=rule.every,
        HAS_FIRST=rule.first_NZKV is not None,
        KEEP_FINAL=final_NZKV is not None,
        KEEP=keep,
        **rule.sizes(),
        num_warps=launch.warps,
        num_stages=launch.stages,
    )


def _reverse(
    rule: Rule,
    plan: Plan,
    kept: Kept,
    do_LZV: Tensor,
    dfinal_NZKV: Tensor | None,
    dchange_LZV: Tensor,
    dstates_RZKV: Tensor,
    dfirst_NZKV: Tensor | None,
) -> None:
    launch = rule.choice(plan).reverse
    _, values, value_dim = rule.v_LZV.shape
    reverse_kernel[(plan.sequences * values * (value_dim // launch.block_v),)](
        rule.q_LHK,
        rule.k_LHK,
        kept.w_LZK,
        kept.P_LZC,
        kept.gc_LZ,
        do_LZV,
        dchange_LZV,
        dfirst_NZKV,
        dfinal_NZKV,
        dstates_RZKV,
        plan.bounds,
        rule.scale,
        BV=launch.block_v,
        EVERY=rule.every,
        HAS_FIRST=dfirst_NZKV is not None,
        HAS_FINAL=dfinal_NZKV is not None,
        **rule.sizes(),
        num_warps=launch.warps,
        num_stages=launch.stages,
    )


def _gradient(
    rule: Rule,
    plan: Plan,
    kept: Kept,
    do_LZV: Tensor,
    dchange_LZV: Tensor,
    dstates_RZKV: Tensor,
    out: Gradients,
) -> None:
    launch, chunks = rule.choice(plan).gradient, plan.chunks.shape[0]
    if chunks == 0:
        return
    gradient_kernel[(chunks, rule.v_LZV.shape[1])](
        rule.q_LHK,
        rule.k_LHK,
        rule.v_LZV,
        rule.beta_LZ,
        kept.gc_LZ,
        kept.w_LZK,
        kept.M_LZC,
        kept.change_LZV,
        kept.states_RZKV,
        do_LZV,
        dchange_LZV,
        dstates_RZKV,
        out.q_LHK,
        out.k_LHK,
        out.v_LZV,
        out.beta_LZ,
        out.g_LZ,
        torch.empty_like(out.k_LHK, dtype=torch.float32),
        plan.chunks,
        plan.bounds,
        rule.scale,
        BK=launch.block_k,
        BV=launch.block_v,
        EVERY=rule.every,
        **rule.sizes(),
        num_warps=launch.warps,
        num_stages=launch.stages,
    )
