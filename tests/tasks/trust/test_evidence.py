"""The bound that holds however often one looks: its formula, its coverage by simulation, its edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import nct
from scipy.stats import t as student

from tasks.trust import Summary, bounds, level, log_e_value, paired, summary
from tasks.trust.evidence import critical_t, log_e_of_t, smallest_n

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


@pytest.mark.parametrize(("n", "t", "scale"), [(3, 1.5, 1.0), (8, -0.7, 1.0), (10, 4.0, 2.0), (5, 0.0, 0.5)])
def test_the_closed_form_is_the_mixture_of_likelihood_ratios_of_t(n: int, t: float, scale: float) -> None:
    def weighed(delta: float) -> float:
        prior = 2.0 / (scale * math.sqrt(2.0 * math.pi)) * math.exp(-0.5 * (delta / scale) ** 2)
        return float(nct.pdf(t, n - 1, delta * math.sqrt(n)) / student.pdf(t, n - 1)) * prior

    mixture = quad(weighed, 0.0, 12.0 * scale, limit=200)[0]
    assert math.exp(log_e_of_t(n, t, scale)) == pytest.approx(mixture, rel=1e-6)


def _crossings(mean: float, alpha: float, runs: int, most: int, seed: int) -> float:
    """The share of Gaussian sequences whose evidence ever refutes "not above 0", looked at after every replicate."""
    gains = np.random.default_rng(seed).normal(mean, 3.0, (runs, most))
    n = np.arange(1, most + 1)
    means = gains.cumsum(axis=1) / n
    squares = (gains**2).cumsum(axis=1)
    crossed = np.zeros(runs, dtype=bool)
    for k in range(2, most + 1):
        critical = critical_t(k, alpha)
        if critical is not None:
            spread = np.sqrt((squares[:, k - 1] - k * means[:, k - 1] ** 2) / (k - 1))
            crossed |= means[:, k - 1] / (spread / math.sqrt(k)) >= critical
    return float(crossed.mean())


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_looking_after_every_replicate_refutes_a_true_hypothesis_at_most_alpha(alpha: float) -> None:
    runs = 4000
    found = _crossings(0.0, alpha, runs, 200, seed=1)
    assert found <= alpha + 2.0 * math.sqrt(alpha * (1 - alpha) / runs)
    assert found >= alpha / 10  # and the test has teeth: a bound that never refutes would pass the line above
    assert _crossings(-1.0, alpha, runs, 200, seed=2) <= found
    assert _crossings(3.0, alpha, runs, 200, seed=3) == 1.0


def test_bounds_cover_the_true_mean_at_all_times() -> None:
    rng, missed, runs, alpha = np.random.default_rng(5), 0, 150, 0.1
    for _ in range(runs):
        gains = rng.normal(7.0, 2.0, 30).tolist()
        found = [bounds(summary(gains[:n]), alpha) for n in range(2, 31)]
        missed += any(not each.lower <= 7.0 <= each.upper for each in found)
    assert missed / runs <= 2 * alpha


@given(st.lists(FINITE, min_size=2, max_size=12), st.floats(0.001, 0.5))
@settings(deadline=None, max_examples=60)
def test_the_lower_bound_clears_the_gate_exactly_when_the_evidence_suffices(gains: list[float], alpha: float) -> None:
    seen = summary(gains)
    lower = bounds(seen, alpha).lower
    assert lower <= seen.mean
    if seen.sd is not None and seen.sd > 1e-9 * max(1.0, abs(seen.mean)) and abs(lower) > 1e-6 * seen.sd:
        assert (lower > 0.0) == (log_e_value(seen) > -math.log(alpha))


@given(st.lists(FINITE, min_size=2, max_size=8), st.floats(0.001, 1000.0), FINITE)
@settings(deadline=None, max_examples=60)
def test_units_and_a_common_shift_do_not_matter(gains: list[float], unit: float, gate: float) -> None:
    seen = summary(gains)
    assert seen.sd is not None
    scaled = Summary(seen.n, seen.mean * unit, seen.sd * unit)
    assert log_e_value(scaled, gate * unit) == pytest.approx(log_e_value(seen, gate), rel=1e-6, abs=1e-6)


@given(st.integers(2, 60), st.floats(-1e3, 1e3), st.floats(0.0, 10.0))
@settings(deadline=None, max_examples=60)
def test_a_larger_t_is_more_evidence(n: int, t: float, more: float) -> None:
    assert log_e_of_t(n, t + more) >= log_e_of_t(n, t) - 1e-9


def test_few_replicates_bound_nothing() -> None:
    assert bounds(Summary(1, 5.0, None), 0.05).lower == -math.inf
    assert bounds(Summary(2, 5.0, 1e-12), 0.01).lower == -math.inf
    assert smallest_n(0.01) > 2


def test_gains_without_spread_are_evidence_that_grows_with_their_number() -> None:
    same = [log_e_value(Summary(n, 0.5, 0.0)) for n in (2, 4, 8)]
    assert same == sorted(same)
    assert log_e_value(Summary(8, 0.0, 0.0)) < 0.0
    assert log_e_value(Summary(8, -0.5, 0.0)) < -2.0


def test_levels_of_all_finalists_add_up_to_alpha_at_most() -> None:
    shares = [level(number, 0.05) for number in range(1, 20_000)]
    assert sum(shares) <= 0.05
    assert sum(shares) == pytest.approx(0.05, rel=1e-3)
    with pytest.raises(ValueError, match="counted from 1"):
        level(0, 0.05)


def test_only_seeds_that_both_have_are_paired() -> None:
    assert paired({3: 1.0, 1: 4.0, 9: 2.0}, {1: 1.0, 3: 1.5, 7: 0.0}) == {3: -0.5, 1: 3.0}
    assert summary([2.0, 4.0, 6.0]) == Summary(3, 4.0, 2.0)
    assert summary([2.0, 4.0, 6.0]).standard_error == pytest.approx(2.0 / math.sqrt(3.0))


def test_an_absence_is_not_a_gain() -> None:
    with pytest.raises(ValueError, match="not a gain of 0"):
        summary([])
    with pytest.raises(ValueError, match="finite"):
        summary([1.0, math.nan])
