"""TAR beside a FAR against scikit-learn's ROC curve, and against the definition word by word."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from bench.metrics import METRICS, RATES
from bench.metrics.biometric import Comparisons, tar_at_far
from bench.metrics.roc import tar_interpolated_far, tar_nearest_far

FAILED = -math.inf
SOME_RATES = ("1e-2", "1e-1", "0.25", "1/3", "0.5", "0.9", "1")
Rows = list[tuple[float, bool, int]]  # score, mated, how often it counts


def rows(failures: bool = True) -> st.SearchStrategy[Rows]:
    """Few comparisons with many ties, one of each kind counting at least once."""
    values: st.SearchStrategy[float] = st.integers(-3, 3).map(float)
    score = values | st.just(FAILED) if failures else values
    more = st.lists(st.tuples(score, st.booleans(), st.integers(0, 2)), max_size=14)
    return st.tuples(score, score, more).map(lambda t: [(t[0], True, 1), (t[1], False, 1), *t[2]])


def comparisons(given: Rows) -> Comparisons:
    return Comparisons([score for score, _, _ in given], [mated for _, mated, _ in given])


def once(given: Rows) -> Rows:
    return [(score, mated, 1) for score, mated, _ in given]


def points(given: Rows) -> list[tuple[Fraction, Fraction]]:
    """(FAR, TAR) when nothing is accepted, then at each distinct score that counts, accepting it and those above."""
    totals = {kind: sum(times for _, mated, times in given if mated == kind) for kind in (False, True)}

    def accepted(kind: bool, threshold: float) -> Fraction:
        return Fraction(sum(t for s, m, t in given if m == kind and s >= threshold), totals[kind])

    thresholds = sorted({s for s, _, times in given if times} - {FAILED}, reverse=True)
    return [(accepted(False, t), accepted(True, t)) for t in (math.inf, *thresholds)]


def slow_nearest(given: Rows, rate: str) -> Fraction:
    return min(points(given), key=lambda point: (abs(point[0] - Fraction(rate)), -point[1]))[1]


def slow_interpolated(given: Rows, rate: str) -> Fraction:
    wanted, curve = Fraction(rate), points(given)
    far, tar = max(point for point in curve if point[0] <= wanted)
    beyond = [point for point in curve if point[0] > wanted]
    if not beyond:
        return tar
    next_far, next_tar = min(beyond)
    return tar + (wanted - far) / (next_far - far) * (next_tar - tar)


@settings(deadline=None)
@given(rows(), st.sampled_from(SOME_RATES))
def test_the_nearest_point_of_all_is_taken_and_the_highest_of_several(given: Rows, rate: str) -> None:
    assert tar_nearest_far(rate).compute(comparisons(given)).value == float(slow_nearest(once(given), rate))


@settings(deadline=None)
@given(rows(), st.sampled_from(SOME_RATES))
def test_between_two_points_the_line_is_read(given: Rows, rate: str) -> None:
    value = tar_interpolated_far(rate).compute(comparisons(given)).value
    assert value == pytest.approx(float(slow_interpolated(once(given), rate)), abs=1e-12)


@settings(deadline=None)
@given(rows(), st.sampled_from(SOME_RATES))
def test_a_whole_weight_equals_writing_the_comparison_down_that_often(given: Rows, rate: str) -> None:
    weights = np.array([times for *_, times in given], float)
    for metric, slow in ((tar_nearest_far, slow_nearest), (tar_interpolated_far, slow_interpolated)):
        weighted = metric(rate).compute(comparisons(given), weights).value
        assert weighted == pytest.approx(float(slow(given, rate)), abs=1e-12)
        ones = metric(rate).compute(comparisons(given), np.ones(len(given)))
        assert ones == metric(rate).compute(comparisons(given))


@settings(deadline=None)
@given(rows(), st.sampled_from(SOME_RATES))
def test_neither_is_below_the_tar_that_lets_at_most_the_rate_pass(given: Rows, rate: str) -> None:
    made = comparisons(given)
    least = tar_at_far(rate).compute(made).value
    assert tar_nearest_far(rate).compute(made).value >= least
    assert tar_interpolated_far(rate).compute(made).value >= least


def drawn(count: int, seed: int, digits: int) -> tuple[Any, Any]:
    """Scores of two kinds that overlap, rounded so that some tie."""
    generator = np.random.default_rng(seed)
    mated = generator.random(count) < 0.2
    return np.round(generator.normal(np.where(mated, 0.3, 0.0), 0.1), digits), mated


@pytest.mark.parametrize("digits", [2, 4, 16])
@pytest.mark.parametrize("seed", range(3))
def test_the_digits_are_those_of_scikit_learns_curve(seed: int, digits: int) -> None:
    score, mated = drawn(20_000, seed, digits)
    far, tar, _ = roc_curve(mated, score, drop_intermediate=False)
    for rate in RATES:
        # InsightFace's rule: the first of the nearest from the curve's end on.
        nearest = tar[::-1][np.argmin(np.abs(far[::-1] - float(rate)))]
        made = Comparisons(score, mated)
        assert tar_nearest_far(rate).compute(made).value == nearest
        between = tar_interpolated_far(rate).compute(made).value
        assert between == pytest.approx(np.interp(float(rate), far, tar), abs=1e-15)


def test_failed_comparisons_end_the_curve_below_one() -> None:
    made = Comparisons([0.9, FAILED, 0.5, FAILED], [True, True, False, False])
    for metric in (tar_nearest_far("1"), tar_interpolated_far("1")):
        assert metric.compute(made).value == 0.5
    nothing = Comparisons([FAILED, FAILED], [True, False])
    for metric in (tar_nearest_far("0.5"), tar_interpolated_far("0.5")):
        assert metric.compute(nothing).value == 0


def test_too_few_non_mated_comparisons_bound_the_value_from_above() -> None:
    made = Comparisons([0.9, 0.8, 0.1, 0.2], [True, True, False, False])
    for metric in (tar_at_far("1e-1"), tar_nearest_far("1e-1"), tar_interpolated_far("1e-1")):
        estimate = metric.compute(made)
        assert (estimate.bound, estimate.resolution) == ("at most", 2)
        assert estimate.note == "a rate of 1e-1 needs 30 non-mated comparisons, there are 2"


def test_the_names_are_on_the_table_of_metrics() -> None:
    for rate in RATES:
        for made in (tar_nearest_far(rate), tar_interpolated_far(rate)):
            assert METRICS[made.name].name == made.name
            assert (made.better, made.unit) == ("higher", "%")
