"""The two kernels of the forward pass: `intra_kernel` for all chunks at once, `chain_kernel` from chunk to chunk.

Formulas are in docs/kernels.md. Both read tokens of packed sequences [tokens, heads, dim]; a table says which program
works on which chunk, so that equal and unequal lengths are one case. Nothing here needs a GPU to be imported.

Shapes: C tokens of a chunk, K and V head dimensions (in a name: a block of BK or BV of them), H query and key heads,
Z value heads. Tables: `chunks_ptr` [chunks, 2] = (sequence, index in it); `bounds_ptr` [sequences, 3] = (first token,
end, first kept state). Numbers are float32 unless they go into a product, then of the dtype of q. `at` is the first
token of a chunk, in 64 bits; what is added to it inside a tile fits into 32 and does not change from chunk to chunk.
"""

from __future__ import annotations

import triton.language as tl

from evo_kernels.jit import jit
from evo_kernels.solve import invert_unit_lower


@jit
def intra_kernel(
    q_ptr: tl.tensor,
    k_ptr: tl.tensor,
    v_ptr: tl.tensor,
    g_ptr: tl.tensor,
    beta_ptr: tl.tensor,
    w_ptr: tl.tensor,
    u_ptr: tl.tensor,
    M_ptr: tl.tensor,
    P_ptr: tl.tensor,
    gc_ptr: tl.tensor,
    chunks_ptr: tl.tensor,
    bounds_ptr: tl.tensor,
    scale: tl.tensor,
    H: tl.constexpr,
    Z: tl.constexpr,
    K: tl.constexpr,
    V: tl.constexpr,
    C: tl.constexpr,
    BK: tl.constexpr,
    BV: tl.constexpr,
    GATED: tl.constexpr,
    KEEP: tl.constexpr,
    PRECISION: tl.constexpr,
    SOLVE: tl.constexpr,
) -> None:
    """What a chunk needs of itself alone: w, u, P, the running sum of its gates, with KEEP M. Grid (chunks, Z)."""
    sequence = tl.load(chunks_ptr + 2 * tl.program_id(0))
    index = tl.load(chunks_ptr + 2 * tl.program_id(0) + 1)
    z = tl.program_id(1)
    h = z // (Z // H)
    at = tl.load(bounds_ptr + 3 * sequence) + index * C
    c_C = tl.arange(0, C)
    live_C = c_C < tl.load(bounds_ptr + 3 * sequence + 1) - at
    live_C1 = live_C[:, None]
    dtype = q_ptr.dtype.element_ty

    kk_CC = tl.zeros((C, C), dtype=tl.float32)
    qk_CC = tl.zeros((C, C), dtype=tl.float32)
    for block in range(K // BK):
        key_CK = c_C[:, None] * (H * K) + block * BK + tl.arange(0, BK)[None, :]
        k_CK = tl.load(k_ptr + (at * H + h) * K + key_CK, mask=live_C1, other=0.0)
        q_CK = tl.load(q_ptr + (at * H + h) * K + key_CK, mask=live_C1, other=0.0)
        kk_CC += tl.dot(k_CK, tl.trans(k_CK), input_precision=PRECISION)
        qk_CC += tl.dot(q_CK, tl.trans(k_CK), input_precision=PRECISION)

    beta_C = tl.load(beta_ptr + at * Z + z + c_C * Z, mask=live_C, other=0.0).to(tl.float32)
    rate_C = beta_C
    if GATED:
        gc_C = tl.cumsum(tl.load(g_ptr + at * Z + z + c_C * Z, mask=live_C, other=0.0).to(tl.float32), 0)
        tl.store(gc_ptr + at * Z + z + c_C * Z, gc_C, mask=live_C)
        # masked before exp: above the diagonal the difference is positive and may overflow
        decay_CC = tl.exp(tl.where(c_C[:, None] >= c_C[None, :], gc_C[:, None] - gc_C[None, :], float("-inf")))
        kk_CC *= decay_CC
        qk_CC *= decay_CC
        rate_C = beta_C * tl.exp(gc_C)
    P_CC = tl.where(c_C[:, None] >= c_C[None, :], qk_CC * scale, 0.0)
    X_CC = tl.where(c_C[:, None] > c_C[None, :], kk_CC * beta_C[:, None], 0.0)
    M_CC = invert_unit_lower(X_CC, C, SOLVE)
    square_CC = c_C[:, None] * (Z * C) + c_C[None, :]
    tl.store(P_ptr + (at * Z + z) * C + square_CC, P_CC.to(dtype), mask=live_C1)
    if KEEP:
        tl.store(M_ptr + (at * Z + z) * C + square_CC, M_CC.to(dtype), mask=live_C1)

    for_u_CC = (M_CC * beta_C[None, :]).to(dtype)
    for block in range(V // BV):
        value_CV = c_C[:, None] * (Z * V) + block * BV + tl.arange(0, BV)[None, :]
        v_CV = tl.load(v_ptr + (at * Z + z) * V + value_CV, mask=live_C1, other=0.0)
        u_CV = tl.dot(for_u_CC, v_CV, input_precision=PRECISION)
        tl.store(u_ptr + (at * Z + z) * V + value_CV, u_CV.to(dtype), mask=live_C1)
    for_w_CC = (M_CC * rate_C[None, :]).to(dtype)
    for block in range(K // BK):
        k_K = block * BK + tl.arange(0, BK)
        key_CK = c_C[:, None] * (H * K) + k_K[None, :]
        k_CK = tl.load(k_ptr + (at * H + h) * K + key_CK, mask=live_C1, other=0.0)
        w_CK = tl.dot(for_w_CC, k_CK, input_precision=PRECISION)
        tl.store(w_ptr + (at * Z + z) * K + c_C[:, None] * (Z * K) + k_K[None, :], w_CK.to(dtype), mask=live_C1)


@jit
def chain_kernel(
    q_ptr: tl.tensor,
    k_ptr: tl.tensor,
    w_ptr: tl.tensor,
    u_ptr: tl.tensor,
    P_ptr: tl.tensor,
    gc_ptr: tl.tensor,
    o_ptr: tl.tensor,
    first_ptr: tl.tensor,
    final_ptr: tl.tensor,
    states_ptr: tl.tensor,
    bounds_ptr: tl.tensor,
    scale: tl.tensor,
    H: tl.constexpr,
    Z: tl.constexpr,
    K: tl.constexpr,
    V: tl.constexpr,
    C: tl.constexpr,
    BV: tl.constexpr,
    EVERY: tl.constexpr,
    GATED: tl.constexpr,
    HAS_FIRST: tl.constexpr,
    KEEP_FINAL: tl.constexpr,
    KEEP: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """The state and the outputs, one chunk after the other. Grid (sequences * Z * V / BV).

    With KEEP it leaves what the backward pass needs: the changes v' in place of u, and every EVERY-th state.
    """
    chain = tl.program_id(0) // (V // BV)
    sequence = chain // Z
    z = chain % Z
    h = z // (Z // H)
    start = tl.load(bounds_ptr + 3 * sequence)
    end = tl.load(bounds_ptr + 3 * sequence + 1)
    kept = tl.load(bounds_ptr + 3 * sequence + 2)
    dtype = q_ptr.dtype.element_ty
    c_C = tl.arange(0, C)
    k_K = tl.arange(0, K)
    v_V = tl.program_id(0) % (V // BV) * BV + tl.arange(0, BV)
    key_CK = c_C[:, None] * (H * K) + k_K[None, :]
    row_CK = c_C[:, None] * (Z * K) + k_K[None, :]
    value_CV = c_C[:, None] * (Z * V) + v_V[None, :]
    square_CC = c_C[:, None] * (Z * C) + c_C[None, :]
    tile_KV = k_K[:, None] * V + v_V[None, :]
    of_sequence = (start * 0 + sequence) * Z + z  # 64 bits: many sequences times heads times K times V

    S_KV = tl.zeros((K, BV), dtype=tl.float32)
    if HAS_FIRST:
        S_KV += tl.load(first_ptr + of_sequence * K * V + tile_KV).to(tl.float32)
    for index in range(tl.cdiv(end - start, C)):
        at = start + index * C
        live_C = c_C < end - at
        live_C1 = live_C[:, None]
        if KEEP:  # noqa: SIM102 - settled by the compiler; the next one is not
            if index % EVERY == 0:
                slot = ((kept + index // EVERY) * Z + z) * K * V
                tl.store(states_ptr + slot + tile_KV, S_KV.to(dtype))
        k_CK = tl.load(k_ptr + (at * H + h) * K + key_CK, mask=live_C1, other=0.0)
        q_CK = tl.load(q_ptr + (at * H + h) * K + key_CK, mask=live_C1, other=0.0)
        w_CK = tl.load(w_ptr + (at * Z + z) * K + row_CK, mask=live_C1, other=0.0)
        P_CC = tl.load(P_ptr + (at * Z + z) * C + square_CC, mask=live_C1, other=0.0)
        values = (at * Z + z) * V

        S_half_KV = S_KV.to(dtype)
        change_CV = tl.load(u_ptr + values + value_CV, mask=live_C1, other=0.0).to(tl.float32)
        change_CV -= tl.dot(w_CK, S_half_KV, input_precision=PRECISION)
        o_CV = tl.dot(q_CK, S_half_KV, input_precision=PRECISION) * scale
        written_CV = change_CV
        if GATED:
            gc_C = tl.load(gc_ptr + at * Z + z + c_C * Z, mask=live_C, other=0.0)
            last = tl.load(gc_ptr + (tl.minimum(at + C, end) - 1) * Z + z)
            o_CV *= tl.exp(gc_C)[:, None]
            S_KV *= tl.exp(last)
            written_CV = change_CV * tl.exp(tl.where(live_C, last - gc_C, 0.0))[:, None]
        o_CV += tl.dot(P_CC, change_CV.to(dtype), input_precision=PRECISION)
        S_KV += tl.dot(tl.trans(k_CK), written_CV.to(dtype), input_precision=PRECISION)
        tl.store(o_ptr + values + value_CV, o_CV.to(dtype), mask=live_C1)
        if KEEP:
            tl.store(u_ptr + values + value_CV, change_CV.to(dtype), mask=live_C1)
    if KEEP_FINAL:
        tl.store(final_ptr + of_sequence * K * V + tile_KV, S_KV)
