"""The bootstrap over identities, and the intervals and p-values read from it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.metrics.biometric import EER, Comparisons, tar_at_far
from bench.metrics.metric import Estimate
from bench.metrics.resampling import (
    bounded_interval,
    identity_weights,
    interval,
    paired_p_value,
    population_std,
    standard_error,
)

MOBILEFACENET = (0.9917, 0.9967, 0.9983, 0.9933, 0.9917, 0.9967, 0.9867, 0.9983, 1.0, 0.9933)


def crowd(identities: int, each: int, seed: int) -> tuple[Any, Any, Any]:
    """Mated comparisons whose scores depend on the person, and the two identities of each."""
    generator = np.random.default_rng(seed)
    person = np.repeat(np.arange(identities), each)
    score = generator.normal(size=identities)[person] + 0.3 * generator.normal(size=len(person))
    return score, person, person


def share_above(score: Any, weights: Any) -> float:
    return float(weights @ (score > 0) / weights.sum())


@given(st.integers(2, 6), st.integers(0, 1000))
def test_a_comparison_counts_as_the_product_of_the_draws_of_its_two_identities(identities: int, seed: int) -> None:
    pairs = list(itertools.combinations_with_replacement(range(identities), 2))
    first, second = (np.array(side) * 17 + 3 for side in zip(*pairs, strict=True))  # identities need not count from 0
    for weights in identity_weights(first, second, 5, seed):
        weight = dict(zip(pairs, weights.tolist(), strict=True))
        assert sum(weight[a, a] for a in range(identities)) == identities
        assert all(weight[a, b] == weight[a, a] * weight[b, b] for a, b in pairs if a != b)


def test_two_who_are_compared_with_nobody_else_are_drawn_as_one() -> None:
    first, second = np.arange(0, 4000, 2), np.arange(1, 4001, 2)
    weights = np.array(list(identity_weights(first, second, 40, 0)))
    assert weights.sum(axis=1) == pytest.approx(np.full(40, len(first)))
    assert weights.var() == pytest.approx(1, abs=0.05), "as pairs that are drawn, not products of two draws"
    first, second = np.array([0, 2, 4, 0, 1, 2, 3, 4, 5]), np.array([1, 3, 4, 0, 1, 2, 3, 4, 5])
    for drawn in identity_weights(first, second, 20, 0, compared=3):  # samples go with their comparison
        assert (drawn[:2] == drawn[[3, 5]]).all() and (drawn[:2] == drawn[[4, 6]]).all()


def test_one_comparison_more_makes_it_a_product_again() -> None:
    weights = np.array(list(identity_weights([0, 0, 9], [1, 2, 9], 200, 0)))
    assert not (weights[:, 0] == weights[:, 1]).all()


def test_every_identity_is_drawn_once_on_average() -> None:
    people = np.arange(50)
    mean = np.mean(list(identity_weights(people, people, 4000, 0)), axis=0)
    assert mean == pytest.approx(np.ones(50), abs=0.08)


def test_the_same_seed_draws_the_same() -> None:
    first, second = [1, 1, 2, 3, 3, 4], [1, 2, 2, 3, 4, 4]
    once, again, other = (list(identity_weights(first, second, 20, seed)) for seed in (4, 4, 5))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_weights_come_one_draw_at_a_time() -> None:
    draws = identity_weights(np.arange(1000), np.arange(1000), 10**12, 0)
    assert next(draws).shape == (1000,)
    assert next(draws).dtype == np.float64


def test_draws_that_left_nothing_to_compute_say_nothing() -> None:
    nan = float("nan")
    assert paired_p_value([nan] * 1000) == 1
    assert paired_p_value([1.0, -1.0] * 50 + [nan] * 900) == paired_p_value([1.0, -1.0] * 50)


def test_no_draw_is_without_mated_or_without_non_mated_comparisons() -> None:
    first, second = np.array([0, 1, 2]), np.array([0, 2, 3])
    for weights in identity_weights(first, second, 500, 1):
        assert weights[0] > 0
        assert weights[1:].sum() > 0


def test_single_samples_behind_the_comparisons_do_not_stand_in_for_a_mated_one() -> None:
    first, second = np.array([0, 1, 0, 1, 2, 3]), np.array([0, 2, 0, 1, 2, 3])
    for weights in identity_weights(first, second, 500, 1, compared=2):
        assert weights[:2].all()
        assert len(weights) == 6


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(150):
        score, first, second = crowd(40, 5, seed)
        low, high = interval([share_above(score, w) for w in identity_weights(first, second, 200, seed)])
        covered += low <= 0.5 <= high
    assert 0.88 * 150 <= covered <= 150


def test_few_identities_in_many_comparisons_widen_the_interval() -> None:
    score, first, second = crowd(20, 50, 0)
    low, high = interval([share_above(score, w) for w in identity_weights(first, second, 400, 0)])
    generator = np.random.default_rng(0)
    naive = [generator.multinomial(len(score), np.full(len(score), 1 / len(score))) for _ in range(400)]
    naive_low, naive_high = interval([share_above(score, w) for w in naive])
    assert high - low > 3 * (naive_high - naive_low)


def test_the_interval_of_a_metric_holds_its_value_and_comes_again() -> None:
    generator = np.random.default_rng(2)
    first = generator.integers(0, 80, 1000)
    second = np.where(np.arange(1000) % 2, (first + generator.integers(1, 80, 1000)) % 80, first)
    comparisons = Comparisons((first == second) + generator.normal(0, 0.5, 1000), first == second)
    for metric in (EER, tar_at_far("1e-2")):
        runs = [
            interval([metric.compute(comparisons, w).value for w in identity_weights(first, second, 300, 9)])
            for _ in range(2)
        ]
        assert runs[0] == runs[1]
        assert runs[0][0] < metric.compute(comparisons).value < runs[0][1]


def test_an_interval_leaves_out_a_fortieth_at_either_end() -> None:
    assert interval([float(i) for i in range(1001)][::-1]) == (25, 975)


@pytest.mark.parametrize("trials", [1, 30, 300, 20_000])
def test_nothing_seen_in_n_trials_is_bounded_by_the_exact_binomial_limit(trials: int) -> None:
    low, high = bounded_interval(Estimate(0.0, resolution=trials), 0.0, 0.0)
    assert low == 0
    assert (1 - high) ** trials == pytest.approx(0.05)
    low, high = bounded_interval(Estimate(1.0, resolution=trials), 1.0, 1.0)
    assert high == 1
    assert low**trials == pytest.approx(0.05)


def test_an_interval_off_the_bounds_is_left_alone() -> None:
    assert bounded_interval(Estimate(0.3, resolution=10), 0.2, 0.4) == (0.2, 0.4)
    assert bounded_interval(Estimate(0.0), 0.0, 0.0) == (0.0, 0.0)  # rests on no count that we know


def test_a_wider_bootstrap_end_is_kept() -> None:
    assert bounded_interval(Estimate(0.0, resolution=1000), 0.0, 0.2) == (0.0, 0.2)


def test_the_standard_error_of_the_ten_folds_is_the_published_one() -> None:
    assert round(100 * standard_error(MOBILEFACENET), 2) == 0.13
    assert population_std(MOBILEFACENET) == pytest.approx(3 * standard_error(MOBILEFACENET))
    assert standard_error([0.9, 0.9, 0.9]) == pytest.approx(0, abs=1e-12)


def test_the_p_value_of_no_difference_at_all_is_one() -> None:
    assert paired_p_value([0.0] * 999) == 1


def test_the_p_value_is_never_below_what_the_draws_can_tell() -> None:
    assert paired_p_value([0.1] * 999) == 2 / 1000
    assert paired_p_value([-0.1] * 99) == 2 / 100


def test_the_p_value_doubles_the_smaller_tail() -> None:
    assert paired_p_value([-1.0] * 24 + [1.0] * 975) == 2 * 25 / 1000


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=50))
def test_the_p_value_does_not_know_who_came_first(differences: list[int]) -> None:
    p = paired_p_value([float(d) for d in differences])
    assert p == paired_p_value([-float(d) for d in differences])
    assert 0 < p <= 1
    assert math.isfinite(p)
