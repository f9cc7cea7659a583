"""Verification metrics against slow references that follow the definitions word by word."""

from __future__ import annotations

import itertools
import math
import statistics
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from bench.errors import WrongUse
from bench.metrics import METRICS
from bench.metrics.biometric import (
    ACCURACY,
    ACCURACY_INSIGHTFACE,
    EER,
    FTE,
    Comparisons,
    det_points,
    fnmr_at_fmr,
    tar_at_far,
)
from bench.metrics.metric import Estimate

FAILED = -math.inf
RATES = ("1e-2", "1e-1", "0.25", "1/3", "0.5", "1")


class Case(NamedTuple):
    """A small set of comparisons and how often each counts."""

    score: list[float]
    mated: list[bool]
    fold: list[int]
    times: list[int]

    def comparisons(self) -> Comparisons:
        return Comparisons(self.score, self.mated, self.fold)

    def repeated(self) -> Case:
        """Every comparison written down as often as it counts."""
        rows = [i for i, times in enumerate(self.times) for _ in range(times)]
        score, mated, fold = ([column[i] for i in rows] for column in (self.score, self.mated, self.fold))
        return Case(score, mated, fold, [1] * len(rows))

    def sharing(self) -> Case:
        """The same, each fold's mated and non-mated comparisons in the shares that they have when all count once."""
        size: dict[tuple[int, bool], int] = {}
        drawn: dict[tuple[int, bool], int] = {}
        for key, times in zip(zip(self.fold, self.mated, strict=True), self.times, strict=True):
            size[key] = size.get(key, 0) + 1
            drawn[key] = drawn.get(key, 0) + times
        common = math.lcm(*(n for n in drawn.values() if n))
        keys = zip(self.fold, self.mated, strict=True)
        times = [
            t * size[key] * common // drawn[key] if drawn[key] else 0 for key, t in zip(keys, self.times, strict=True)
        ]
        return Case(self.score, self.mated, self.fold, times)


@st.composite
def cases(draw: st.DrawFn, failures: bool = True) -> Case:
    """Few comparisons with many ties, both kinds counting at least once."""
    kinds = draw(st.lists(st.booleans(), min_size=2, max_size=14).filter(lambda kinds: len(set(kinds)) == 2))
    values = st.integers(-4, 4).map(float)
    score = draw(st.lists(values | st.just(FAILED) if failures else values, min_size=len(kinds), max_size=len(kinds)))
    count = draw(st.integers(2, min(4, len(kinds))))
    fold = draw(st.permutations([i % count for i in range(len(kinds))]))
    times = draw(st.lists(st.integers(0, 2), min_size=len(kinds), max_size=len(kinds)))
    for kind in (True, False):
        if not any(t for t, k in zip(times, kinds, strict=True) if k == kind):
            times[kinds.index(kind)] = 1
    return Case(score, kinds, fold, times)


def weights(case: Case) -> Any:
    return np.array(case.times, dtype=np.float64)


def right(case: Case, rows: list[int], accepts: Callable[[float], bool]) -> int:
    """How many comparisons of the rows are decided rightly."""
    return sum(case.times[i] for i in rows if (accepts(case.score[i]) and case.score[i] != FAILED) == case.mated[i])


def splits(case: Case) -> Iterator[tuple[list[int], list[int]]]:
    """Training and test rows of every fold that holds anything."""
    for fold in sorted(set(case.fold)):
        training = [i for i, f in enumerate(case.fold) if f != fold and case.times[i]]
        test = [i for i, f in enumerate(case.fold) if f == fold and case.times[i]]
        if test:
            yield training, test


def slow_accuracy(case: Case) -> list[float]:
    shares = []
    for training, test in splits(case):
        there = sorted({case.score[i] for i in training} - {FAILED})
        between = [(a + b) / 2 for a, b in itertools.pairwise(there)]
        candidates = [there[0] - 1, *between, there[-1] + 1] if there else [0.0]
        counts = [right(case, training, lambda s, t=t: s > t) for t in candidates]
        threshold = statistics.median_low(t for t, n in zip(candidates, counts, strict=True) if n == max(counts))
        shares.append(right(case, test, lambda s, t=threshold: s > t) / sum(case.times[i] for i in test))
    return shares


def slow_insightface(case: Case) -> list[float]:
    grid = np.arange(0, 4, 0.01).tolist()
    shares = []
    for training, test in splits(case):
        counts = [right(case, training, lambda c, t=t: max(2 - 2 * c, 0) < t) for t in grid]
        threshold = grid[counts.index(max(counts))]
        accepted = right(case, test, lambda c, t=threshold: max(2 - 2 * c, 0) < t)
        shares.append(accepted / sum(case.times[i] for i in test))
    return shares


def sides(case: Case) -> tuple[list[float], list[float]]:
    once = case.repeated()
    rows = list(zip(once.score, once.mated, strict=True))
    return [s for s, mated in rows if mated], [s for s, mated in rows if not mated]


def slow_tar(case: Case, rate: str) -> Fraction:
    mated, non_mated = sides(case)
    allowed = math.floor(len(non_mated) * Fraction(rate))
    descending = sorted(non_mated, reverse=True)
    threshold = descending[allowed] if allowed < len(descending) else FAILED
    return Fraction(sum(s > threshold for s in mated), len(mated))


def operating_points(case: Case) -> list[tuple[Fraction, Fraction]]:
    """FMR and FNMR of every threshold, from accepting all that did not fail to rejecting all."""
    mated, non_mated = sides(case)
    return [
        (Fraction(sum(s > t for s in non_mated), len(non_mated)), Fraction(sum(s <= t for s in mated), len(mated)))
        for t in sorted({FAILED, *mated, *non_mated})
    ]


def slow_eer(case: Case) -> Fraction:
    points = operating_points(case)
    fmr, fnmr = points[0]
    if fnmr >= fmr:
        return (fmr + fnmr) / 2
    for (fmr0, fnmr0), (fmr1, fnmr1) in itertools.pairwise(points):
        if fnmr1 >= fmr1:
            along = (fmr0 - fnmr0) / (fmr0 - fnmr0 + fnmr1 - fmr1)
            return fmr0 + along * (fmr1 - fmr0)
    raise AssertionError("rejecting all must cross")


def normalised(generator: np.random.Generator, pairs: int, size: int = 32, noise: float = 1.2) -> tuple[Any, Any, Any]:
    """Unit vectors of pairs in official order: in each of ten folds first the mated, then the others."""
    mated = np.tile(np.repeat([True, False], pairs // 20), 10)
    first = generator.normal(size=(pairs, size))
    second = np.where(mated[:, None], first, 0) + noise * generator.normal(size=(pairs, size))
    return *(v / np.linalg.norm(v, axis=1, keepdims=True) for v in (first, second)), mated


@given(cases())
def test_accuracy_is_that_of_trying_every_threshold_on_the_other_folds(case: Case) -> None:
    once = case._replace(times=[1] * len(case.times))
    estimate = ACCURACY.compute(case.comparisons())
    assert estimate.folds == pytest.approx(slow_accuracy(once), abs=1e-12)
    assert estimate.value == pytest.approx(statistics.fmean(slow_accuracy(once)), abs=1e-12)


@given(cases())
def test_weighted_accuracy_keeps_the_share_of_mated_comparisons_in_every_fold(case: Case) -> None:
    assert ACCURACY.compute(case.comparisons(), weights(case)).folds == pytest.approx(
        slow_accuracy(case.sharing()), abs=1e-9
    )


@settings(max_examples=25)
@given(cases())
def test_insightface_accuracy_is_that_of_trying_the_whole_grid(case: Case) -> None:
    case = case._replace(score=[s / 4 for s in case.score])  # cosines whose distances fall on the grid itself
    once = case._replace(times=[1] * len(case.times))
    comparisons = case.comparisons()
    assert ACCURACY_INSIGHTFACE.compute(comparisons).folds == pytest.approx(slow_insightface(once), abs=1e-12)
    assert ACCURACY_INSIGHTFACE.compute(comparisons, weights(case)).folds == pytest.approx(
        slow_insightface(case.sharing()), abs=1e-9
    )


@given(cases(), st.sampled_from(RATES))
def test_tar_counts_what_lies_strictly_above_the_ranked_non_mated_score(case: Case, rate: str) -> None:
    once = case._replace(times=[1] * len(case.times))
    assert tar_at_far(rate).compute(case.comparisons()).value == float(slow_tar(once, rate))
    assert fnmr_at_fmr(rate).compute(case.comparisons()).value == float(1 - slow_tar(once, rate))


@given(cases(), st.sampled_from(RATES))
def test_no_tie_lets_more_non_mated_comparisons_in_than_the_rate_allows(case: Case, rate: str) -> None:
    # Mated twins of the non-mated scores turn TAR into the false match rate at the very same threshold.
    _, non_mated = sides(case._replace(times=[1] * len(case.times)))
    twins = Comparisons(non_mated * 2, [True] * len(non_mated) + [False] * len(non_mated))
    assert Fraction(tar_at_far(rate).compute(twins).value) <= Fraction(rate) * (1 + Fraction(1, 10**12))


@given(cases())
def test_eer_is_where_the_line_through_the_operating_points_crosses(case: Case) -> None:
    once = case._replace(times=[1] * len(case.times))
    assert EER.compute(case.comparisons()).value == pytest.approx(float(slow_eer(once)), abs=1e-12)


@given(cases(), st.sampled_from(RATES))
def test_a_whole_weight_equals_writing_the_comparison_down_that_often(case: Case, rate: str) -> None:
    repeated = case.repeated()
    for metric in (EER, tar_at_far(rate), fnmr_at_fmr(rate)):
        weighted = metric.compute(case.comparisons(), weights(case)).value
        assert weighted == pytest.approx(metric.compute(repeated.comparisons()).value, abs=1e-12)


@pytest.mark.parametrize("metric", [ACCURACY, ACCURACY_INSIGHTFACE, EER, tar_at_far("1e-2")])
def test_drawing_within_the_kinds_of_a_fold_equals_writing_down_what_was_drawn(metric: Any) -> None:
    generator = np.random.default_rng(5)
    for _ in range(20):
        fold, mated = np.repeat(np.arange(5), 40), np.tile([True, False], 100)
        cosine = np.round(np.clip(np.where(mated, 0.4, 0.1) + generator.normal(0, 0.2, 200), -1, 1), 1)
        drawn = np.zeros(200)
        for k, kind in itertools.product(range(5), (True, False)):
            rows = np.flatnonzero((fold == k) & (mated == kind))
            drawn[rows] = generator.multinomial(len(rows), np.full(len(rows), 1 / len(rows)))
        rows = np.repeat(np.arange(200), drawn.astype(int))
        repeated = metric.compute(Comparisons(cosine[rows], mated[rows], fold[rows]))
        weighted = metric.compute(Comparisons(cosine, mated, fold), drawn)
        assert weighted.value == pytest.approx(repeated.value, abs=1e-12)
        assert weighted.folds == pytest.approx(repeated.folds, abs=1e-12)


@given(cases())
def test_weights_of_one_change_nothing(case: Case) -> None:
    comparisons, ones = case.comparisons(), np.ones(len(case.score))
    for metric in (ACCURACY, ACCURACY_INSIGHTFACE, EER, *map(tar_at_far, RATES), *map(fnmr_at_fmr, RATES)):
        assert metric.compute(comparisons, ones) == metric.compute(comparisons)


@given(cases())
def test_every_metric_stays_between_0_and_1(case: Case) -> None:
    for metric in (ACCURACY, ACCURACY_INSIGHTFACE, EER, tar_at_far("1e-1"), fnmr_at_fmr("1e-1")):
        for given_weights in (None, weights(case)):
            assert 0 <= metric.compute(case.comparisons(), given_weights).value <= 1


@given(cases(), st.sampled_from([lambda s: 3 * s + 7, lambda s: s**3, lambda s: math.exp(s) if s > FAILED else s]))
def test_rates_do_not_depend_on_the_scale_of_the_score(case: Case, transform: Callable[[float], float]) -> None:
    scaled = case._replace(score=[transform(s) for s in case.score])
    for metric in (EER, tar_at_far("1e-1"), fnmr_at_fmr("0.25")):
        assert metric.compute(scaled.comparisons()) == metric.compute(case.comparisons())
    assert det_points(scaled.comparisons()) == det_points(case.comparisons())


@given(cases())
def test_the_order_of_the_comparisons_does_not_matter(case: Case) -> None:
    turned = Case(*(column[::-1] for column in case))
    for metric in (ACCURACY, ACCURACY_INSIGHTFACE, EER, tar_at_far("1e-1")):
        assert metric.compute(turned.comparisons()) == metric.compute(case.comparisons())


def published_loop(first: Any, second: Any, same: Any) -> list[float]:
    """InsightFace's evaluation, told again: ten unshuffled folds, a grid of squared distances, the first best."""
    grid = np.arange(0, 4, 0.01)
    distance = np.sum(np.square(first - second), axis=1)

    def share(threshold: float, rows: Any) -> float:
        said = distance[rows] < threshold
        hits = np.sum(np.logical_and(said, same[rows]))
        passes = np.sum(np.logical_and(np.logical_not(said), np.logical_not(same[rows])))
        return float(hits + passes) / len(rows)

    found = []
    for training, test in KFold(n_splits=10, shuffle=False).split(np.arange(len(same))):
        best = np.argmax([share(threshold, training) for threshold in grid])
        found.append(share(grid[best], test))
    return found


@pytest.mark.parametrize("noise", [1.2, 3.0])
def test_insightface_accuracy_has_the_digits_of_the_published_loop(noise: float) -> None:
    first, second, mated = normalised(np.random.default_rng(7), 6000, noise=noise)
    comparisons = Comparisons((first * second).sum(axis=1), mated, np.repeat(np.arange(10), 600))
    estimate = ACCURACY_INSIGHTFACE.compute(comparisons)
    loop = published_loop(first, second, mated)
    assert estimate.folds == tuple(loop)
    assert estimate.value == np.mean(loop)
    assert estimate.resolution == 6000


def test_insightface_accuracy_reads_the_cosine_where_the_score_is_another() -> None:
    first, second, mated = normalised(np.random.default_rng(8), 200)
    cosine, fold = (first * second).sum(axis=1), np.repeat(np.arange(10), 20)
    other = Comparisons(-1000 * np.arccos(cosine), mated, fold, cosine)
    assert ACCURACY_INSIGHTFACE.compute(other) == ACCURACY_INSIGHTFACE.compute(Comparisons(cosine, mated, fold))


def test_a_failed_comparison_has_failed_whatever_its_cosine() -> None:
    mated, fold = [True, False] * 4, [0, 0, 0, 0, 1, 1, 1, 1]
    cosine = [0.9, 0.1] * 4
    comparisons = Comparisons([math.nan, *cosine[1:]], mated, fold, cosine)
    assert ACCURACY_INSIGHTFACE.compute(comparisons).folds == (0.75, 1)


@pytest.mark.parametrize("failed", [math.nan, -math.inf])
def test_a_failed_extraction_counts_as_a_non_match(failed: float) -> None:
    mated = [True, True, True, True, False, False, False, False]
    comparisons = Comparisons([0.9, 0.9, 0.9, failed, 0.1, 0.1, 0.1, failed], mated, [0, 1] * 4)
    assert tar_at_far("0.5").compute(comparisons).value == 0.75
    assert fnmr_at_fmr("0.5").compute(comparisons).value == 0.25
    assert ACCURACY.compute(comparisons).value == 0.875
    assert ACCURACY_INSIGHTFACE.compute(comparisons).value == 0.875
    assert det_points(comparisons)[-1] == (0.75, 0.25)


@given(cases(failures=False))
def test_failing_never_helps_where_mated(case: Case) -> None:
    row = case.mated.index(True)
    worse = case._replace(score=[FAILED if i == row else s for i, s in enumerate(case.score)])
    for rate in RATES:
        sound, failing = (tar_at_far(rate).compute(c.comparisons()).value for c in (case, worse))
        assert failing <= sound


def test_where_most_mated_comparisons_fail_the_eer_is_the_mean_of_accepting_all() -> None:
    comparisons = Comparisons([0.9, FAILED, FAILED, FAILED, 0.1, FAILED], [True] * 4 + [False] * 2)
    assert EER.compute(comparisons).value == (0.5 + 0.75) / 2


def test_a_perfect_method_reaches_the_best_values() -> None:
    comparisons = Comparisons([0.9, 0.8] * 10 + [0.2, 0.1] * 10, [True] * 20 + [False] * 20, [0, 0, 1, 1] * 10)
    assert ACCURACY.compute(comparisons).value == 1
    assert ACCURACY_INSIGHTFACE.compute(comparisons).value == 1
    assert EER.compute(comparisons).value == 0
    assert tar_at_far("1e-6").compute(comparisons).value == 1
    assert fnmr_at_fmr("1e-6").compute(comparisons).value == 0
    assert det_points(comparisons) == ((0, 1), (0, 0), (1, 0))


def test_a_method_that_is_always_wrong_reaches_the_worst_values() -> None:
    comparisons = Comparisons([0.2, 0.1] * 10 + [0.9, 0.8] * 10, [True] * 20 + [False] * 20, [0, 0, 1, 1] * 10)
    assert EER.compute(comparisons).value == 1
    assert tar_at_far("1e-1").compute(comparisons).value == 0
    assert fnmr_at_fmr("1e-1").compute(comparisons).value == 1
    # Rejecting all and accepting all are the best thresholds, and one of them is taken, not what lies between.
    assert ACCURACY.compute(comparisons).value == 0.5
    assert ACCURACY_INSIGHTFACE.compute(comparisons).value == 0.5
    assert det_points(comparisons) == ((0, 1), (1, 1), (1, 0))


def test_a_constant_score_knows_nothing() -> None:
    comparisons = Comparisons([0.3] * 40, [True, False] * 20, [0, 0, 1, 1] * 10)
    assert ACCURACY.compute(comparisons).folds == (0.5, 0.5)
    assert ACCURACY_INSIGHTFACE.compute(comparisons).value == 0.5
    assert EER.compute(comparisons).value == 0.5
    assert tar_at_far("1e-1").compute(comparisons).value == 0


def test_the_number_of_allowed_false_matches_is_floored_exactly() -> None:
    # In floating point 3000 * 1e-3 is 3.0, but 0.29 * 100 is 28.999…; fractions know both.
    for count, rate, allowed in ((3000, "1e-3", 3), (2999, "1e-3", 2), (100, "0.29", 29), (10, "0.3", 3)):
        non_mated = [float(i) for i in range(count)]
        between = [i + 0.5 for i in non_mated[-allowed - 2 :]]
        comparisons = Comparisons(between + non_mated, [True] * len(between) + [False] * count)
        # Of the mated scores that lie half above the last ones, all but the lowest pass.
        assert tar_at_far(rate).compute(comparisons).value == (allowed + 1) / (allowed + 2)


def test_a_rate_that_the_comparisons_cannot_resolve_is_a_bound_that_says_what_it_needs() -> None:
    comparisons = Comparisons(np.arange(6000.0), np.repeat([False, True], 3000))
    resolved = tar_at_far("1e-3").compute(comparisons)
    assert (resolved.bound, resolved.note) == (None, "")
    short = tar_at_far("1e-4").compute(comparisons)
    assert short.bound == "at most"
    assert "1e-4 needs 30,000 non-mated comparisons, there are 3,000" in short.note
    assert fnmr_at_fmr("1e-4").compute(comparisons).bound == "at least"


@pytest.mark.parametrize(("count", "bound"), [(4285, "at most"), (4286, None)])
def test_fewer_than_three_expected_false_matches_are_too_few(count: int, bound: str | None) -> None:
    comparisons = Comparisons(np.arange(count + 1.0), [False] * count + [True])
    assert tar_at_far("0.0007").compute(comparisons).bound == bound


def test_an_estimate_says_how_many_comparisons_it_rests_on() -> None:
    comparisons = Comparisons(np.arange(100.0), [True] * 30 + [False] * 70, [0, 1] * 50)
    assert tar_at_far("1e-1").compute(comparisons).resolution == 30
    assert fnmr_at_fmr("1e-1").compute(comparisons).resolution == 30
    assert EER.compute(comparisons).resolution == 30
    assert ACCURACY.compute(comparisons).resolution == 100


def test_failure_to_extract_is_a_share_of_samples() -> None:
    failed = np.zeros(400, bool)
    failed[:3] = True
    assert FTE.compute(failed) == Estimate(0.0075, resolution=400)
    weights = np.ones(400)
    weights[0] = 101
    assert FTE.compute(failed, weights).value == 103 / 500


@given(cases())
def test_the_det_curve_passes_through_every_operating_point(case: Case) -> None:
    points = det_points(case.comparisons())
    assert list(points) == sorted(points, key=lambda point: (point[0], -point[1]))
    exact = operating_points(case._replace(times=[1] * len(case.times)))
    rounded = [(float(f"{float(x):.6g}"), float(f"{float(y):.6g}")) for x, y in exact]
    assert points[0] == rounded[-1]
    assert points[-1] == rounded[0]
    assert set(points) <= set(rounded)
    legs = list(itertools.pairwise(points)) or [(points[0], points[0])]
    for x, y in rounded:
        assert any(
            (x0, y0) == (x, y)
            or (x1, y1) == (x, y)
            or (x0 == x == x1 and y1 <= y <= y0)
            or (y0 == y == y1 and x0 <= x <= x1)
            for (x0, y0), (x1, y1) in legs
        )


def test_a_long_det_curve_is_thinned_over_the_logarithm_of_the_false_match_rate() -> None:
    generator = np.random.default_rng(3)
    mated = np.arange(100_000) % 2 == 0
    comparisons = Comparisons(np.where(mated, 1, 0) + generator.normal(size=100_000), mated)
    points = det_points(comparisons)
    assert len(points) <= 200
    assert points[0] == (0, 1)
    assert points[-1] == (1, 0)
    for low in (1e-4, 1e-3, 1e-2, 1e-1):
        assert sum(low <= fmr < 10 * low for fmr, _ in points) >= 25
    assert len(det_points(comparisons, most=20)) <= 20
    for fmr, fnmr in points[1:-1]:
        assert fnmr == pytest.approx(1 - np.mean(comparisons.score[mated] > _threshold(comparisons, fmr)), abs=1e-4)


def _threshold(comparisons: Comparisons, fmr: float) -> float:
    non_mated = np.sort(comparisons.score[~comparisons.mated])
    return float(non_mated[len(non_mated) - 1 - round(fmr * len(non_mated))]) if fmr < 1 else FAILED


@pytest.mark.parametrize(
    ("score", "mated", "fold", "cosine"),
    [
        ([], [], None, None),
        ([0.1, 0.2], [True, True], None, None),
        ([0.1, 0.2], [False, False], None, None),
        ([0.1, 0.2, 0.3], [True, False], None, None),
        ([0.1, 0.2], [True, False], [0], None),
        ([0.1, 0.2], [True, False], None, [0.5]),
        ([0.1, math.inf], [True, False], None, None),
        ([0.1, 0.2], [True, False], None, [math.inf, 0.2]),
    ],
)
def test_comparisons_that_make_no_sense_are_refused(score: Any, mated: Any, fold: Any, cosine: Any) -> None:
    with pytest.raises(WrongUse):
        Comparisons(score, mated, fold, cosine)


@pytest.mark.parametrize("fold", [None, [3, 3, 3, 3]])
@pytest.mark.parametrize("metric", [ACCURACY, ACCURACY_INSIGHTFACE])
def test_an_accuracy_over_folds_needs_two_folds(metric: Any, fold: list[int] | None) -> None:
    with pytest.raises(WrongUse, match="fold"):
        metric.compute(Comparisons([1, 2, 3, 4], [True, False, True, False], fold))


def test_the_table_holds_each_metric_under_its_name() -> None:
    assert all(name == metric.name for name, metric in METRICS.items())
    assert {m.better for m in METRICS.values()} == {"higher", "lower"}
    assert METRICS["tar@far=1e-4"].better == "higher"
    assert METRICS["fnmr@fmr=1e-4"].better == "lower"


def test_importing_the_metrics_loads_no_numpy() -> None:
    program = "import sys, bench.metrics.biometric, bench.metrics.resampling; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_rates_over_many_comparisons_need_less_than_three_times_their_memory() -> None:
    generator = np.random.default_rng(1)
    score = generator.normal(size=1_000_000)
    mated = np.arange(len(score)) < 1000
    tracemalloc.start()
    try:
        comparisons = Comparisons(score, mated)
        for metric in (*map(tar_at_far, ("1e-4", "1e-5", "1e-6")), EER):
            metric.compute(comparisons)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * score.nbytes
