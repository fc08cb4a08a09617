"""Formulas that shipped items state, checked by arithmetic: a wrong one would be worse than none.

Each test names the item in its docstring. Shapes: C tokens of a chunk, K key width, V value width.
"""

from __future__ import annotations

import cmath
import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, linprog

Array = NDArray[np.float64]
RNG = np.random.default_rng(0)


def unit(size: int) -> Array:
    drawn = RNG.normal(size=size)
    return np.asarray(drawn / np.linalg.norm(drawn))


def delta_step(state_KV: Array, key_K: Array, value_V: Array, beta: float) -> Array:
    return np.asarray(state_KV + beta * np.outer(key_K, value_V - state_KV.T @ key_K))


def close(one: object, other: object) -> bool:
    return bool(np.allclose(np.asarray(one), np.asarray(other), rtol=1e-9, atol=1e-12))


def test_delta_transition() -> None:
    """arch-delta-stable-range, arch-overshoot, arch-write-spill."""
    key, other, value, state = unit(5) * 1.3, unit(5), RNG.normal(size=3), RNG.normal(size=(5, 3))
    beta = 0.7
    transition = np.eye(5) - beta * np.outer(key, key)
    assert close(np.sort(np.linalg.eigvalsh(transition)), [1 - beta * 1.69, 1, 1, 1, 1])
    after = delta_step(state, key, value, beta)
    assert close(after, transition @ state + beta * np.outer(key, value))
    assert close(after.T @ other, state.T @ other + beta * (key @ other) * (value - state.T @ key))
    key /= 1.3
    assert close(delta_step(state, key, value, 2.0).T @ key, 2 * value - state.T @ key)


def test_implicit_step_is_the_minimiser() -> None:
    """arch-implicit-step."""
    key, value, state, beta = RNG.normal(size=4), RNG.normal(size=3), RNG.normal(size=(4, 3)), 5.0
    best = delta_step(state, key, value, beta / (1 + beta * float(key @ key)))
    slope = (best - state) + beta * np.outer(key, best.T @ key - value)
    assert close(slope, np.zeros((4, 3)))


def test_gated_delta_rule_composes() -> None:
    """arch-gate-before-correct."""
    key, value, state, fade, beta = unit(4), RNG.normal(size=3), RNG.normal(size=(4, 3)), 0.6, 0.8
    composed = fade * (np.eye(4) - beta * np.outer(key, key)) @ state + beta * np.outer(key, value)
    assert close(delta_step(fade * state, key, value, beta), composed)


def test_two_reflections_rotate_by_twice_the_angle() -> None:
    """arch-two-reflections."""
    theta = 0.4
    one, other = np.array([1.0, 0.0]), np.array([math.cos(theta), math.sin(theta)])
    product = (np.eye(2) - 2 * np.outer(other, other)) @ (np.eye(2) - 2 * np.outer(one, one))
    angles = sorted(abs(cmath.phase(complex(value))) for value in np.linalg.eigvals(product))
    assert close(angles, [2 * theta, 2 * theta])


def test_chunk_form_of_the_gated_delta_rule() -> None:
    """arch-delta-chunks, arch-gated-wy; with no decay it is the first of the two."""
    count, width, values = 6, 4, 3
    k_CK, q_CK = np.array([unit(width) for _ in range(count)]), RNG.normal(size=(count, width))
    v_CV, beta_C, g_C = RNG.normal(size=(count, values)), RNG.uniform(size=count), -RNG.uniform(size=count)
    start = RNG.normal(size=(width, values))
    state, reads = start, []
    for t in range(count):
        state = delta_step(math.exp(g_C[t]) * state, k_CK[t], v_CV[t], beta_C[t])
        reads.append(state.T @ q_CK[t])
    c_C = np.cumsum(g_C)
    fade_CC = np.exp(c_C[:, None] - c_C[None, :])
    a_CC = np.tril(beta_C[:, None] * (k_CK @ k_CK.T) * fade_CC, -1)
    t_CC = np.linalg.solve(np.eye(count) + a_CC, np.diag(beta_C))
    u_CV = t_CC @ v_CV - t_CC @ (np.exp(c_C)[:, None] * k_CK) @ start
    assert close(np.exp(c_C)[:, None] * (q_CK @ start) + np.tril((q_CK @ k_CK.T) * fade_CC) @ u_CV, np.array(reads))
    ends = np.exp(c_C[-1] - c_C)[:, None] * k_CK
    assert close(math.exp(c_C[-1]) * start + ends.T @ u_CV, state)


def test_doubling_inverse() -> None:
    """arch-doubling-inverse."""
    a_CC = np.tril(RNG.normal(size=(8, 8)), -1)
    eye, two, four = np.eye(8), a_CC @ a_CC, a_CC @ a_CC @ a_CC @ a_CC
    assert close((eye - a_CC) @ (eye + two) @ (eye + four), np.linalg.inv(eye + a_CC))


def test_scan_composes() -> None:
    """arch-scan."""
    (a, b), (later_a, later_b), h = (0.3, 1.1), (0.8, -0.4), 2.0
    assert close(later_a * (a * h + b) + later_b, (later_a * a) * h + (later_a * b + later_b))


def test_interleaved_steps_are_several_steps() -> None:
    """arch-deltaproduct-interleave: the decay on the first of a group, the read after the last."""
    state, fade = RNG.normal(size=(4, 3)), 0.5
    (one, other), values = (unit(4), unit(4)), RNG.normal(size=(2, 3))
    by_token = delta_step(delta_step(fade * state, one, values[0], 1.5), other, values[1], 0.7)
    flat = state
    for key, value, beta, factor in ((one, values[0], 1.5, fade), (other, values[1], 0.7, 1.0)):
        flat = delta_step(factor * flat, key, value, beta)
    assert close(flat, by_token)


def test_gates() -> None:
    """arch-selection-is-gate, arch-chrono-init, arch-gate-saturation, arch-half-life, arch-rg-lru, arch-gla."""
    z, u, f = 0.7, 37.0, 0.9

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    def softplus(x: float) -> float:
        return math.log1p(math.exp(x))

    assert close(math.exp(-softplus(z)), 1 - sigmoid(z))
    assert close(1 - sigmoid(math.log(u)), 1 / (1 + u))
    band = [r * (1 - (1 - f) ** 2) + (1 - r) * f**2 for r in (0.0, 0.5, 1.0)]
    assert close(band[1], f)
    assert band[0] < f < band[2]
    assert close(band[2] - band[0], 2 * f * (1 - f))
    assert [round(0.95**64, 2), round(0.99**64, 2)] == [0.04, 0.53]
    assert [1 / 2.0**-5, 1 / 2.0**-8] == [32, 256]
    assert close(math.log(sigmoid(z) ** (8 * 0.3)), -8 * softplus(-z) * 0.3)
    assert round(0.5 ** (1 / 16), 3) == 0.958


def test_bounded_decay_and_xlstm_stabiliser() -> None:
    """arch-decay-floor-rwkv7, arch-exponential-input-gate."""
    assert round(math.exp(-0.5), 4) == 0.6065
    assert round(math.exp(-math.exp(-0.5)), 3) == 0.545
    assert round(16 * math.exp(-0.5), 1) == 9.7
    forget, write, state, level, plain = [-0.1, -2.0, -0.3], [1.0, 30.0, -5.0], 0.0, 0.0, 0.0
    for log_f, log_i in zip(forget, write, strict=True):
        new = max(log_f + level, log_i)
        state = math.exp(log_f + level - new) * state + math.exp(log_i - new)
        plain, level = math.exp(log_f) * plain + math.exp(log_i), new
    assert close(state * math.exp(level), plain)
    assert state <= 1 + 1 + 1


def test_variances() -> None:
    """arch-lru, arch-input-scale."""
    w = 0.95
    assert close(sum(w ** (2 * lag) for lag in range(2_000)), 1 / (1 - w**2))
    assert close((1 - w) ** 2 / (1 - w**2), (1 - w) / (1 + w))


def test_discretisation() -> None:
    """arch-zoh, arch-trapezoid: exact for a constant input; the trapezoid is of second order."""
    rate, step, x = 0.8, 0.05, 1.7
    exact = x * (1 - math.exp(-rate * step)) / rate
    assert abs(exact - step * x) / (step * x) < 0.05
    halves = [abs(_trapezoid(rate, h, x) - x * (1 - math.exp(-rate * h)) / rate) for h in (step, step / 2)]
    assert 7 < halves[0] / halves[1] < 9


def _trapezoid(rate: float, step: float, x: float) -> float:
    """One step from 0 with l = 1/2 and a constant input."""
    return 0.5 * step * math.exp(-step * rate) * x + 0.5 * step * x


def test_feature_maps() -> None:
    """arch-taylor-features, arch-random-features, arch-cosine-reweighting, arch-alibi-is-decay."""
    q, k = RNG.normal(size=4) * 0.3, RNG.normal(size=4) * 0.3
    first, second = np.triu_indices(4, 1)

    def taylor(x: Array) -> Array:
        cross = math.sqrt(2) * x[first] * x[second] / math.sqrt(2)
        return np.concatenate([[1.0], x, x * x / math.sqrt(2), cross])

    assert len(taylor(q)) == 1 + 4 + 4 * 5 // 2
    assert close(taylor(q) @ taylor(k), 1 + q @ k + (q @ k) ** 2 / 2)
    w = np.random.default_rng(1).normal(size=(400_000, 4))
    estimate = np.exp(w @ q - q @ q / 2) @ np.exp(w @ k - k @ k / 2) / len(w)
    assert abs(estimate - math.exp(q @ k)) < 0.01
    a, b = 0.3, 1.1
    assert close(math.cos(a - b), math.cos(a) * math.cos(b) + math.sin(a) * math.sin(b))
    assert close(math.exp(0.4 - 0.25 * 7), math.exp(0.4) * math.exp(-0.25) ** 7)


def test_random_keys_overlap_by_one_over_their_width() -> None:
    """arch-snr, arch-write-spill."""
    keys = np.random.default_rng(2).normal(size=(2_000, 16))
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    overlap = (keys @ keys.T) ** 2
    assert abs(overlap[~np.eye(len(keys), dtype=bool)].mean() - 1 / 16) < 1e-3


def test_multipliers_of_a_packing() -> None:
    """circle_packing-geometry-duals, circle_packing-geometry-scaling: five circles in the unit square."""
    count, centres_N2, bound, total = 5, np.random.default_rng(0).uniform(0.1, 0.9, (5, 2)), 0.1, 0.0
    for _ in range(200):
        solved, normals_P2, first, second = _packing_step(centres_N2, bound)
        bound *= 0.6 if -solved.fun - total < 1e-3 * bound else 1.0
        centres_N2, total = centres_N2 + solved.x[: 2 * count].reshape(2, count).T, -solved.fun
        if bound < 1e-5:
            break
    solved, normals_P2, first, second = _packing_step(centres_N2, 1e-3)
    pushes = -solved.ineqlin.marginals
    pairs_P, walls_N22 = pushes[: len(first)], pushes[len(first) :].reshape(count, 2, 2)
    sums_N, forces_N2 = walls_N22.sum((1, 2)), walls_N22[:, :, 0] - walls_N22[:, :, 1]
    for circle, sign in ((first, 1.0), (second, -1.0)):
        np.add.at(sums_N, circle, pairs_P)
        np.add.at(forces_N2, circle, sign * pairs_P[:, None] * normals_P2)
    assert np.allclose(sums_N, 1.0, atol=1e-6)
    assert np.allclose(forces_N2, 0.0, atol=1e-6)
    assert abs(walls_N22[:, :, 1].sum() - total) < 1e-6


def _packing_step(centres_N2: Array, bound: float) -> tuple[OptimizeResult, Array, NDArray[np.intp], NDArray[np.intp]]:
    """Sum of radii, linearised at the centres: first the pairs, then for each circle and axis the low and high wall."""
    count = len(centres_N2)
    first, second = np.triu_indices(count, 1)
    apart_P2 = centres_N2[first] - centres_N2[second]
    distance_P = np.hypot(apart_P2[:, 0], apart_P2[:, 1])
    normals_P2 = apart_P2 / distance_P[:, None]
    pairs, walls, limits = np.zeros((len(first), 3 * count)), np.zeros((4 * count, 3 * count)), []
    rows = np.arange(len(first))
    for axis in range(2):
        pairs[rows, axis * count + first] = -normals_P2[:, axis]
        pairs[rows, axis * count + second] = normals_P2[:, axis]
    pairs[rows, 2 * count + first] = pairs[rows, 2 * count + second] = 1.0
    for circle in range(count):
        for axis in range(2):
            low, high = walls[4 * circle + 2 * axis], walls[4 * circle + 2 * axis + 1]
            low[axis * count + circle], high[axis * count + circle] = -1.0, 1.0
            low[2 * count + circle] = high[2 * count + circle] = 1.0
            limits += [centres_N2[circle, axis], 1.0 - centres_N2[circle, axis]]
    cost = np.concatenate([np.zeros(2 * count), -np.ones(count)])
    bounds = [(-bound, bound)] * (2 * count) + [(0.0, 1.0)] * count
    solved = linprog(cost, np.vstack([pairs, walls]), np.concatenate([distance_P, limits]), bounds=bounds)
    return solved, normals_P2, first, second


def test_heilbronn_gradient() -> None:
    """heilbronn_triangle-gradient."""
    p = RNG.normal(size=(3, 2))

    def area(points: Array) -> float:
        (xi, yi), (xj, yj), (xk, yk) = points
        return float((xi * (yj - yk) + xj * (yk - yi) + xk * (yi - yj)) / 2)

    for axis, slope in enumerate([(p[1, 1] - p[2, 1]) / 2, (p[2, 0] - p[1, 0]) / 2]):
        moved = p.copy()
        moved[0, axis] += 0.5
        assert close(area(moved), area(p) + 0.5 * slope)


def test_overlap_and_autoconvolution_gradients() -> None:
    """minimum_overlap-gradient, autocorrelation-fft-gradient."""
    n, m, j, tiny = 7, -2, 3, 1e-6
    h = RNG.uniform(size=n)

    def overlap(heights: Array) -> float:
        return float(sum(heights[i] * (1 - heights[i + m]) for i in range(n) if 0 <= i + m < n))

    stated = (1 - h[j + m] if 0 <= j + m < n else 0.0) - (h[j - m] if 0 <= j - m < n else 0.0)
    assert abs((overlap(h + tiny * np.eye(n)[j]) - overlap(h - tiny * np.eye(n)[j])) / (2 * tiny) - stated) < 1e-8
    weights = RNG.uniform(size=2 * n - 1)
    up, down = (np.convolve(a, a) @ weights for a in (h + tiny * np.eye(n)[j], h - tiny * np.eye(n)[j]))
    assert abs((up - down) / (2 * tiny) - 2 * np.correlate(weights, h, "valid")[j]) < 1e-8


def test_counts_of_distances() -> None:
    """max_min_distance-counts, max_min_distance-smoothing-error."""
    assert math.floor(3 * 16 - math.sqrt(12 * 16 - 3)) == 34
    assert 2 * 16 + 1 - 3 == 2 * 16 - 2 == 30
    x = RNG.normal(size=120)
    soft = math.log(np.exp(50 * (x - x.max())).sum()) / 50
    assert 0 <= soft <= math.log(120) / 50
    assert round(math.log(120), 1) == 4.8


def test_error_bars_and_state_sizes() -> None:
    """arch-error-bars, arch-conv-state, arch-init-scale, arch-conv-init, arch-state-precision."""
    assert round(math.sqrt(0.25 / 500), 3) == 0.022
    assert 9 / 16 > 0.5
    assert round(2**-2.5, 2) == 0.18
    assert round(1 / math.sqrt(12), 2) == 0.29
    assert 1 - 0.999 < 2.0**-9
