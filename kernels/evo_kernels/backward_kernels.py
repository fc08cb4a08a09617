"""The two kernels of the backward pass: `reverse_kernel` from chunk to chunk, `gradient_kernel` for all at once.

`reverse_kernel` needs no state of the forward pass: it carries the gradient of the state from the end to the start and
leaves, per chunk, the gradient of the changes v'. With v' and its gradient stored, any block of the state or of its
gradient inside a stretch of EVERY chunks follows from the kept ones by one product per chunk and without the rest of
its rows and columns; `gradient_kernel` does so and needs no order. Names and tables are those of forward_kernels.py;
dX is the gradient of X, DS_KV the gradient of the state *after* a chunk.
"""

from __future__ import annotations

import triton.language as tl

from evo_kernels.jit import jit


@jit
def reverse_kernel(
    q_ptr: tl.tensor,
    k_ptr: tl.tensor,
    w_ptr: tl.tensor,
    P_ptr: tl.tensor,
    gc_ptr: tl.tensor,
    do_ptr: tl.tensor,
    dchange_ptr: tl.tensor,
    dfirst_ptr: tl.tensor,
    dfinal_ptr: tl.tensor,
    dstates_ptr: tl.tensor,
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
    HAS_FINAL: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """The gradients of changes and states, from the last chunk to the first. Grid (sequences * Z * V / BV)."""
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
    of_sequence = (start * 0 + sequence) * Z + z

    DS_KV = tl.zeros((K, BV), dtype=tl.float32)
    if HAS_FINAL:
        DS_KV += tl.load(dfinal_ptr + of_sequence * K * V + tile_KV).to(tl.float32)
    chunks = tl.cdiv(end - start, C)
    for back in range(chunks):
        index = chunks - 1 - back
        at = start + index * C
        live_C = c_C < end - at
        live_C1 = live_C[:, None]
        if (index % EVERY == EVERY - 1) | (index == chunks - 1):  # the stretch ends with this chunk
            slot = ((kept + index // EVERY) * Z + z) * K * V
            tl.store(dstates_ptr + slot + tile_KV, DS_KV.to(dtype))
        k_CK = tl.load(k_ptr + (at * H + h) * K + key_CK, mask=live_C1, other=0.0)
        q_CK = tl.load(q_ptr + (at * H + h) * K + key_CK, mask=live_C1, other=0.0)
        w_CK = tl.load(w_ptr + (at * Z + z) * K + row_CK, mask=live_C1, other=0.0)
        P_CC = tl.load(P_ptr + (at * Z + z) * C + square_CC, mask=live_C1, other=0.0)
        values = (at * Z + z) * V
        do_CV = tl.load(do_ptr + values + value_CV, mask=live_C1, other=0.0)

        dchange_CV = tl.dot(k_CK, DS_KV.to(dtype), input_precision=PRECISION)
        read_CV = do_CV.to(tl.float32) * scale
        if GATED:
            gc_C = tl.load(gc_ptr + at * Z + z + c_C * Z, mask=live_C, other=0.0)
            last = tl.load(gc_ptr + (tl.minimum(at + C, end) - 1) * Z + z)
            dchange_CV *= tl.exp(tl.where(live_C, last - gc_C, 0.0))[:, None]
            read_CV *= tl.exp(gc_C)[:, None]
            DS_KV *= tl.exp(last)
        dchange_CV += tl.dot(tl.trans(P_CC), do_CV, input_precision=PRECISION)
        dchange_half_CV = dchange_CV.to(dtype)
        tl.store(dchange_ptr + values + value_CV, dchange_half_CV, mask=live_C1)
        DS_KV += tl.dot(tl.trans(q_CK), read_CV.to(dtype), input_precision=PRECISION)
        DS_KV -= tl.dot(tl.trans(w_CK), dchange_half_CV, input_precision=PRECISION)
    if HAS_FIRST:
        tl.store(dfirst_ptr + of_sequence * K * V + tile_KV, DS_KV)


@jit
def _state_before(
    states_ptr: tl.tensor,
    k_ptr: tl.tensor,
    change_ptr: tl.tensor,
    gc_ptr: tl.tensor,
    slot: tl.tensor,
    start: tl.tensor,
    begins: tl.tensor,
    index: tl.tensor,
    h: tl.tensor,
    z: tl.tensor,
    k_K: tl.tensor,
    v_V: tl.tensor,
    H: tl.constexpr,
    Z: tl.constexpr,
    K: tl.constexpr,
    V: tl.constexpr,
    C: tl.constexpr,
    GATED: tl.constexpr,
    PRECISION: tl.constexpr,
) -> tl.tensor:
    """A block of the state before chunk `index`, from the one kept before chunk `begins`."""
    c_C = tl.arange(0, C)
    key_CK = c_C[:, None] * (H * K) + k_K[None, :]
    value_CV = c_C[:, None] * (Z * V) + v_V[None, :]
    S_KV = tl.load(states_ptr + slot + k_K[:, None] * V + v_V[None, :]).to(tl.float32)
    for other in range(begins, index):  # all of them whole: only the last chunk of a sequence is not
        at = start + other * C
        k_CK = tl.load(k_ptr + (at * H + h) * K + key_CK)
        written_CV = tl.load(change_ptr + (at * Z + z) * V + value_CV)
        if GATED:
            gc_C = tl.load(gc_ptr + at * Z + z + c_C * Z)
            last = tl.load(gc_ptr + (at + C - 1) * Z + z)
            written_CV = (written_CV.to(tl.float32) * tl.exp(last - gc_C)[:, None]).to(k_CK.dtype)
            S_KV *= tl.exp(last)
        S_KV += tl.dot(tl.trans(k_CK), written_CV, input_precision=PRECISION)
    return S_KV


@jit
def _gradient_after(
    dstates_ptr: tl.tensor,
    q_ptr: tl.tensor,
    w_ptr: tl.tensor,
    do_ptr: tl.tensor,
    dchange_ptr: tl.tensor,
    gc_ptr: tl.tensor,
    slot: tl.tensor,
    start: tl.tensor,
    end: tl.tensor,
    ends: tl.tensor,
    index: tl.tensor,
    h: tl.tensor,
    z: tl.tensor,
    k_K: tl.tensor,
    v_V: tl.tensor,
    scale: tl.tensor,
    H: tl.constexpr,
    Z: tl.constexpr,
    K: tl.constexpr,
    V: tl.constexpr,
    C: tl.constexpr,
    GATED: tl.constexpr,
    PRECISION: tl.constexpr,
) -> tl.tensor:
    """A block of the gradient of the state after chunk `index`, from the one kept after chunk `ends`."""
    c_C = tl.arange(0, C)
    key_CK = c_C[:, None] * (H * K) + k_K[None, :]
    row_CK = c_C[:, None] * (Z * K) + k_K[None, :]
    value_CV = c_C[:, None] * (Z * V) + v_V[None, :]
    DS_KV = tl.load(dstates_ptr + slot + k_K[:, None] * V + v_V[None, :]).to(tl.float32)
    for back in range(ends - index):
        at = start + (ends - back) * C
        live_C = c_C < end - at
        live_C1 = live_C[:, None]
        q_CK = tl.load(q_ptr + (at * H + h) * K + key_CK, mask=live_C1, other=0.0)
        w_CK = tl.load(w_ptr + (at * Z + z) * K + row_CK, mask=live_C1, other=0.0)
        values = (at * Z + z) * V
        read_CV = tl.load(do_ptr + values + value_CV, mask=live_C1, other=0.0).to(tl.float32) * scale
        dchange_CV = tl.load(dchange_ptr + values + value_CV, mask=live_C1, other=0.0)
        if GATED:
            gc_C = tl.load(gc_ptr + at * Z + z + c_C * Z, mask=live_C, other=0.0)
            last = tl.load(gc_ptr + (tl.minimum(at + C, end) - 1) * Z + z)
            read_CV *= tl.exp(gc_C)[:, None]
            DS_KV *= tl.exp(last)
        DS_KV += tl.dot(tl.trans(q_CK), read_CV.to(q_CK.dtype), input_precision=PRECISION)
        DS_KV -= tl.dot(tl.trans(w_CK), dchange_CV, input_precision=PRECISION)
    return DS_KV


@jit
def gradient_kernel(  # noqa: C901 - its branches are the gate's, settled by the compiler
    q_ptr: tl.tensor,
    k_ptr: tl.tensor,
    v_ptr: tl.tensor,
    beta_ptr: tl.tensor,
    gc_ptr: tl.tensor,
    w_ptr: tl.tensor,
    M_ptr: tl.tensor,
    change_ptr: tl.tensor,
    states_ptr: tl.tensor,
    do_ptr: tl.tensor,
    dchange_ptr: tl.tensor,
    dstates_ptr: tl.tensor,
    dq_ptr: tl.tensor,
    dk_ptr: tl.tensor,
    dv_ptr: tl.tensor,
    dbeta_ptr: tl.tensor,
    dg_ptr: tl.tensor,
    part_ptr: tl.tensor,
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
    EVERY: tl.constexpr,
    GATED: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """The gradients of the inputs of one chunk. Grid (chunks, Z); dq and dk are per value head.

    Three passes: over V for dv and what does not meet the state; over K and V for all that does; over K for the part of
    dk that came through M, whose gradient is complete only then. Between the second and third the unfinished dk waits
    in `part_ptr` (float32).
    """
    sequence = tl.load(chunks_ptr + 2 * tl.program_id(0))
    index = tl.load(chunks_ptr + 2 * tl.program_id(0) + 1)
    z = tl.program_id(1)
    h = z // (Z // H)
    start = tl.load(bounds_ptr + 3 * sequence)
    end = tl.load(bounds_ptr + 3 * sequence + 1)
    kept = tl.load(bounds_ptr + 3 * sequence + 2)
    dtype = q_ptr.dtype.element_ty
    begins = index // EVERY * EVERY
    ends = tl.minimum(begins + EVERY, tl.cdiv(end - start, C)) - 1
    slot = ((kept + index // EVERY) * Z + z) * K * V
    c_C = tl.arange(0, C)
    at = start + index * C
    of_key, of_value = at * H + h, at * Z + z  # rows of q and k, and of all else
    live_C = c_C < end - at
    live_C1 = live_C[:, None]
    beta_C = tl.load(beta_ptr + of_value + c_C * Z, mask=live_C, other=0.0).to(tl.float32)
    M_CC = tl.load(M_ptr + of_value * C + c_C[:, None] * (Z * C) + c_C[None, :], mask=live_C1, other=0.0)
    decay_CC = tl.where(c_C[:, None] >= c_C[None, :], 1.0, tl.zeros((C, C), dtype=tl.float32))
    if GATED:
        gc_C = tl.load(gc_ptr + of_value + c_C * Z, mask=live_C, other=0.0)
        last = tl.load(gc_ptr + (tl.minimum(at + C, end) - 1) * Z + z)
        eg_C = tl.exp(gc_C)
        left_C = tl.exp(tl.where(live_C, last - gc_C, 0.0))
        # rows beyond the end have no gate: masked too, or they would be exp(-gc)
        inside_CC = (c_C[:, None] >= c_C[None, :]) & live_C1
        decay_CC = tl.exp(tl.where(inside_CC, gc_C[:, None] - gc_C[None, :], float("-inf")))
        dgc_C = tl.zeros((C,), dtype=tl.float32)
        dlast = tl.sum(dgc_C, 0)

    dP_CC = tl.zeros((C, C), dtype=tl.float32)
    dX_CC = tl.zeros((C, C), dtype=tl.float32)
    dbeta_C = tl.zeros((C,), dtype=tl.float32)
    for_u_CC = (M_CC.to(tl.float32) * beta_C[None, :]).to(dtype)
    for block in range(V // BV):
        value_CV = c_C[:, None] * (Z * V) + block * BV + tl.arange(0, BV)[None, :]
        do_CV = tl.load(do_ptr + of_value * V + value_CV, mask=live_C1, other=0.0)
        change_CV = tl.load(change_ptr + of_value * V + value_CV, mask=live_C1, other=0.0)
        dchange_CV = tl.load(dchange_ptr + of_value * V + value_CV, mask=live_C1, other=0.0)
        v_CV = tl.load(v_ptr + of_value * V + value_CV, mask=live_C1, other=0.0)
        dP_CC += tl.dot(do_CV, tl.trans(change_CV), input_precision=PRECISION)
        u_CV = tl.dot(for_u_CC, v_CV, input_precision=PRECISION)
        dbv_CV = tl.dot(tl.trans(M_CC), dchange_CV, input_precision=PRECISION)  # of beta v
        dX_CC -= tl.dot(dbv_CV.to(dtype), tl.trans(u_CV.to(dtype)), input_precision=PRECISION)
        dbeta_C += tl.sum(dbv_CV * v_CV.to(tl.float32), 1)
        tl.store(dv_ptr + of_value * V + value_CV, (dbv_CV * beta_C[:, None]).to(dtype), mask=live_C1)
    dP_CC = (dP_CC * decay_CC * scale).to(dtype)

    for block in range(K // BK):
        k_K = block * BK + tl.arange(0, BK)
        key_CK = c_C[:, None] * (H * K) + k_K[None, :]
        row_CK = c_C[:, None] * (Z * K) + k_K[None, :]
        k_CK = tl.load(k_ptr + of_key * K + key_CK, mask=live_C1, other=0.0)
        q_CK = tl.load(q_ptr + of_key * K + key_CK, mask=live_C1, other=0.0)
        w_CK = tl.load(w_ptr + of_value * K + row_CK, mask=live_C1, other=0.0)
        dq_CK = tl.zeros((C, BK), dtype=tl.float32)
        dk_CK = tl.zeros((C, BK), dtype=tl.float32)
        dw_CK = tl.zeros((C, BK), dtype=tl.float32)
        for inner in range(V // BV):
            v_V = inner * BV + tl.arange(0, BV)
            value_CV = c_C[:, None] * (Z * V) + v_V[None, :]
            S_KV = _state_before(
                states_ptr, k_ptr, change_ptr, gc_ptr, slot, start, begins, index, h, z, k_K, v_V,
                H, Z, K, V, C, GATED, PRECISION,
            )  # fmt: skip
            DS_KV = _gradient_after(
                dstates_ptr, q_ptr, w_ptr, do_ptr, dchange_ptr, gc_ptr, slot, start, end, ends, index, h, z, k_K, v_V,
                scale, H, Z, K, V, C, GATED, PRECISION,
            )  # fmt: skip
            if GATED:
                dlast += tl.sum(S_KV * DS_KV) * tl.exp(last)
            do_CV = tl.load(do_ptr + of_value * V + value_CV, mask=live_C1, other=0.0)
            change_CV = tl.load(change_ptr + of_value * V + value_CV, mask=live_C1, other=0.0)
            dchange_CV = tl.load(dchange_ptr + of_value * V + value_CV, mask=live_C1, other=0.0)
            S_VK = tl.trans(S_KV.to(dtype))
            dq_CK += tl.dot(do_CV, S_VK, input_precision=PRECISION)
            dw_CK -= tl.dot(dchange_CV, S_VK, input_precision=PRECISION)
            dk_CK += tl.dot(change_CV, tl.trans(DS_KV.to(dtype)), input_precision=PRECISION)
        dbk_CK = tl.dot(tl.trans(M_CC), dw_CK.to(dtype), input_precision=PRECISION)  # of beta exp(gc) k
        dX_CC -= tl.dot(dbk_CK.to(dtype), tl.trans(w_CK), input_precision=PRECISION)
        dq_CK *= scale
        if GATED:
            dq_CK *= eg_C[:, None]
            dk_CK *= left_C[:, None]
            dlast += tl.sum(dk_CK * k_CK.to(tl.float32))
            dbk_CK *= eg_C[:, None]
        dq_CK += tl.dot(dP_CC, k_CK, input_precision=PRECISION)
        dk_CK += tl.dot(tl.trans(dP_CC), q_CK, input_precision=PRECISION)
        dbeta_block_C = tl.sum(dbk_CK * k_CK.to(tl.float32), 1)
        dbeta_C += dbeta_block_C
        if GATED:
            dgc_C += tl.sum(dq_CK * q_CK.to(tl.float32) - dk_CK * k_CK.to(tl.float32), 1) + beta_C * dbeta_block_C
        dk_CK += dbk_CK * beta_C[:, None]
        tl.store(dq_ptr + of_value * K + row_CK, dq_CK.to(dtype), mask=live_C1)
        tl.store(part_ptr + of_value * K + row_CK, dk_CK, mask=live_C1)

    dX_CC = tl.where(c_C[:, None] > c_C[None, :], dX_CC * decay_CC, 0.0)
    rows_CC = dX_CC.to(dtype)
    columns_CC = tl.trans((dX_CC * beta_C[:, None]).to(dtype))
    tl.debug_barrier()  # other threads of this program may have stored what this one loads
    for block in range(K // BK):
        k_K = block * BK + tl.arange(0, BK)
        key_CK = c_C[:, None] * (H * K) + k_K[None, :]
        row_CK = c_C[:, None] * (Z * K) + k_K[None, :]
        k_CK = tl.load(k_ptr + of_key * K + key_CK, mask=live_C1, other=0.0)
        from_row_CK = tl.dot(rows_CC, k_CK, input_precision=PRECISION)
        from_column_CK = tl.dot(columns_CC, k_CK, input_precision=PRECISION)
        dbeta_block_C = tl.sum(from_row_CK * k_CK.to(tl.float32), 1)
        dbeta_C += dbeta_block_C
        if GATED:
            dgc_C += beta_C * dbeta_block_C - tl.sum(from_column_CK * k_CK.to(tl.float32), 1)
        dk_CK = tl.load(part_ptr + of_value * K + row_CK, mask=live_C1, other=0.0)
        dk_CK += from_row_CK * beta_C[:, None] + from_column_CK
        tl.store(dk_ptr + of_value * K + row_CK, dk_CK.to(dtype), mask=live_C1)
    tl.store(dbeta_ptr + of_value + c_C * Z, dbeta_C, mask=live_C)
    if GATED:
        # the gate of a token is in the running sums of all later ones of the chunk
        dgc_C += tl.where(c_C == C - 1, dlast, 0.0)
        tl.store(dg_ptr + of_value + c_C * Z, tl.cumsum(dgc_C, 0, reverse=True), mask=live_C)
