"""The inverse of a unit lower triangular matrix, inside a kernel: substitution in small blocks, then products.

Squaring the nilpotent part needs products only, but its powers grow like binomial coefficients when keys repeat (for 64
equal keys and rates of one beyond 1e17), and float32 loses everything. Substitution has no such growth, so it does the
16 x 16 blocks on the diagonal, all of them at once; two rounds of products join them to 32 and to 64.

Shapes: C rows of the matrix (16, 32 or 64), N blocks on its diagonal, S rows of a block.
"""

from __future__ import annotations

import triton.language as tl

from evo_kernels.jit import jit


@jit
def invert_unit_lower(X_CC: tl.tensor, C: tl.constexpr, PRECISION: tl.constexpr) -> tl.tensor:
    """(I + X)^-1 in float32, for X with zeros on and above its diagonal."""
    inverse_NSS = _substitute(_diagonal_blocks(X_CC, C // 16, 16), C // 16, 16)
    if C >= 32:
        inverse_NSS = _join(inverse_NSS, X_CC, C // 32, 16, PRECISION)
    if C >= 64:
        inverse_NSS = _join(inverse_NSS, X_CC, C // 64, 32, PRECISION)
    return tl.reshape(inverse_NSS, (C, C))


@jit
def _diagonal_blocks(X_CC: tl.tensor, N: tl.constexpr, S: tl.constexpr) -> tl.tensor:
    n_N = tl.arange(0, N)
    same_NN = n_N[:, None] == n_N[None, :]
    return tl.sum(tl.where(same_NN[:, None, :, None], tl.reshape(X_CC, (N, S, N, S)), 0.0), axis=2)


@jit
def _substitute(X_NSS: tl.tensor, N: tl.constexpr, S: tl.constexpr) -> tl.tensor:
    """Row j of the inverse is final once the rows before it were taken off; then it is taken off those below it."""
    s_S = tl.arange(0, S)
    row_NSS = s_S[None, :, None]
    column_NSS = s_S[None, None, :]
    R_NSS = tl.where(row_NSS == column_NSS, 1.0, tl.zeros((N, S, S), dtype=tl.float32))
    for j in tl.static_range(S - 1):
        weight_NS = tl.sum(tl.where(column_NSS == j, X_NSS, 0.0), axis=2)
        final_NS = tl.sum(tl.where(row_NSS == j, R_NSS, 0.0), axis=1)
        R_NSS -= weight_NS[:, :, None] * final_NS[:, None, :]
    return R_NSS


@jit
def _join(
    inverse_MSS: tl.tensor, X_CC: tl.tensor, N: tl.constexpr, S: tl.constexpr, PRECISION: tl.constexpr
) -> tl.tensor:
    """N inverses of twice the size out of M = 2N: the block below the diagonal is -D22 X21 D11."""
    half_2 = tl.arange(0, 2)
    D_N2SS = tl.reshape(inverse_MSS, (N, 2, S, S))
    first_NSS = tl.sum(tl.where(half_2[None, :, None, None] == 0, D_N2SS, 0.0), axis=1)
    second_NSS = tl.sum(tl.where(half_2[None, :, None, None] == 1, D_N2SS, 0.0), axis=1)
    X_N2S2S = tl.reshape(_diagonal_blocks(X_CC, N, 2 * S), (N, 2, S, 2, S))
    left_N2SS = tl.sum(tl.where(half_2[None, None, None, :, None] == 0, X_N2S2S, 0.0), axis=3)
    X21_NSS = tl.sum(tl.where(half_2[None, :, None, None] == 1, left_N2SS, 0.0), axis=1)
    D21_NSS = tl.dot(second_NSS, X21_NSS, input_precision=PRECISION)
    D21_NSS = -tl.dot(D21_NSS, first_NSS, input_precision=PRECISION)

    row_N2S2S = half_2[None, :, None, None, None]
    column_N2S2S = half_2[None, None, None, :, None]
    whole_N2S2S = tl.where(row_N2S2S == column_N2S2S, D_N2SS[:, :, :, None, :], 0.0)
    whole_N2S2S = tl.where(row_N2S2S > column_N2S2S, D21_NSS[:, None, :, None, :], whole_N2S2S)
    return tl.reshape(whole_N2S2S, (N, 2 * S, 2 * S))
