"""Comparison of arms: against scipy's own tests, with a planted effect and a planted zero."""

from __future__ import annotations

from random import Random

import pytest
from scipy import stats

from tasks.trust.arms import compare, holm, interval, least_p, sign_flip_p
from tasks.trust.curves import Step, area, best_at, best_by_round, round_of_level

A = {seed: value for seed, value in enumerate([2.1, 2.4, 1.9, 2.6, 2.2, 2.8, 2.0, 2.3])}
B = {seed: value for seed, value in enumerate([2.0, 2.1, 1.95, 2.2, 2.25, 2.4, 1.9, 2.1])}


def test_the_interval_is_the_paired_t_interval() -> None:
    found = compare(A, B)
    assert found is not None
    expected = stats.ttest_rel(list(A.values()), list(B.values())).confidence_interval(0.95)
    assert (found.lower, found.upper) == pytest.approx((expected.low, expected.high))


def test_more_arms_make_wider_intervals() -> None:
    found = compare(A, B, comparisons=3)
    assert found is not None
    expected = stats.ttest_rel(list(A.values()), list(B.values())).confidence_interval(1 - 0.05 / 3)
    assert (found.lower, found.upper) == pytest.approx((expected.low, expected.high))


def test_sign_flips_agree_with_scipys_permutation_test() -> None:
    differences = [A[seed] - B[seed] for seed in A]
    expected = stats.permutation_test(
        (list(A.values()), list(B.values())),
        lambda x, y, axis: (x - y).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=10_000,  # more than there are patterns: scipy then takes all of them
    )
    assert sign_flip_p(differences) == pytest.approx(expected.pvalue)


def test_many_seeds_are_flipped_at_random_and_give_nearly_the_same() -> None:
    rng = Random(1)
    differences = [rng.gauss(0.5, 1.0) for _ in range(17)]
    exact = stats.wilcoxon(differences).pvalue  # another test of the same hypothesis: the same size of number
    assert 0.2 < sign_flip_p(differences) / exact < 5.0


def test_seeds_that_one_arm_lacks_are_left_out() -> None:
    lacking = {seed: value for seed, value in B.items() if seed != 3}
    found, same = compare(A, lacking), compare({s: v for s, v in A.items() if s != 3}, lacking)
    assert found is not None
    assert found == same
    assert found.seeds == 7


def test_one_common_seed_compares_nothing() -> None:
    assert compare({1: 2.0, 2: 3.0}, {2: 1.0, 3: 4.0}) is None
    assert interval([1.0]) is None


def test_arms_that_are_equal_everywhere_have_no_effect_size() -> None:
    found = compare(A, A)
    assert found is not None
    assert (found.difference, found.lower, found.upper, found.effect, found.p_value) == (0.0, 0.0, 0.0, None, 1.0)


def test_holm_is_no_more_than_bonferroni_and_keeps_the_order() -> None:
    p_values = [0.04, 0.001, 0.2, 0.02]
    adjusted = holm(p_values)
    assert adjusted == pytest.approx([0.08, 0.004, 0.2, 0.06])
    assert all(p <= min(1.0, 4 * raw) for p, raw in zip(adjusted, p_values, strict=True))


def test_a_planted_effect_is_found_and_a_planted_zero_is_covered() -> None:
    """300 studies of 8 seeds with two arms against a first one; an effect of 1.4 sd of a difference, and none."""
    rng, found, wrong = Random(7), 0, 0
    for _ in range(300):
        first = {seed: rng.gauss(0.0, 1.0) for seed in range(8)}
        worse = compare({seed: rng.gauss(-2.0, 1.0) for seed in range(8)}, first, comparisons=2)
        equal = compare({seed: rng.gauss(0.0, 1.0) for seed in range(8)}, first, comparisons=2)
        assert worse is not None
        assert equal is not None
        found += worse.upper < 0
        wrong += equal.excludes_zero
    assert found / 300 > 0.7
    assert 1 <= wrong <= 17  # 2.5% by Bonferroni: 7.5 expected, standard deviation 2.7


STEPS = [Step(1.0, 0.5), Step(2.5, None), Step(3.0, 2.0), Step(4.5, 1.0), Step(6.0, 3.0)]


def test_what_was_found_after_the_budget_does_not_count() -> None:
    assert best_at(STEPS, 1.0, 5.0) == 2.0
    assert round_of_level(STEPS, 3.0, 5.0) is None
    assert round_of_level(STEPS, 3.0, 6.0) == 5


def test_the_area_is_the_integral_of_the_steps() -> None:
    assert area(STEPS, 1.0, 5.0) == pytest.approx((3.0 * 1.0 + 2.0 * 2.0) / 5.0)
    fine = [best_at(STEPS, 1.0, 5.0 * (k + 0.5) / 10_000) for k in range(10_000)]
    assert area(STEPS, 1.0, 5.0) == pytest.approx(sum(fine) / len(fine), abs=1e-3)


def test_a_failed_candidate_moves_the_rounds_on_and_nothing_else() -> None:
    assert best_by_round(STEPS, 1.0) == [1.0, 1.0, 1.0, 2.0, 2.0, 3.0]


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        area(STEPS, 0.0, 0.0)


def test_two_equal_differences_are_not_found_however_narrow_their_interval() -> None:
    found = compare({1: 1.5, 2: 2.5}, {1: 1.0, 2: 2.0})
    assert found is not None
    assert (found.lower, found.upper) == (0.5, 0.5)
    assert found.excludes_zero
    assert not found.has_spread
    assert found.p_value == least_p(2) == 0.5
    assert not found.is_found(0.05, found.p_value)


def test_what_the_interval_does_not_exclude_is_not_found_by_the_signs_alone() -> None:
    found = compare({s: 10.0 if s == 0 else 0.1 for s in range(8)}, dict.fromkeys(range(8), 0.0))
    assert found is not None
    assert found.p_value < 0.05
    assert not found.is_found(0.05, found.p_value)


@pytest.mark.parametrize("seeds", [2, 5, 6, 10])
def test_no_p_value_is_below_the_least(seeds: int) -> None:
    found = compare({s: 1.0 + s for s in range(seeds)}, dict.fromkeys(range(seeds), 0.0))
    assert found is not None
    assert holm([found.p_value] * 3)[0] == least_p(seeds, 3)
