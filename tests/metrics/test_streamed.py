"""Streamed scores give, to the last digit, what all of them in memory give."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.errors import WrongUse
from bench.metrics import METRICS, streamed
from bench.metrics.biometric import ACCURACY, EER, Comparisons, fnmr_at_fmr, tar_at_far
from bench.metrics.metric import Metric
from bench.metrics.roc import tar_interpolated_far, tar_nearest_far

FAILED = -math.inf
RATES = ("1e-6", "1e-2", "0.25", "1/3", "0.5", "1")
EVERY = [make(rate) for make in (tar_at_far, fnmr_at_fmr, tar_nearest_far, tar_interpolated_far) for rate in RATES]
EVERY.append(EER)

ODD = (0.0, -0.0, 5e-324, -5e-324, 1e-310, -1e-310, 2.3e-308, 1.0, np.nextafter(1.0, 2), -1.0, 1.7e308, -1.7e308)
scores = st.sampled_from((*ODD, FAILED, math.nan)) | st.floats(allow_infinity=False, allow_nan=False)
ties = st.integers(-2, 2).map(float) | st.sampled_from((FAILED, -0.0))
singles = st.floats(allow_infinity=False, width=32)
Case = tuple[list[float], list[bool]]


def cases(values: st.SearchStrategy[float]) -> st.SearchStrategy[Case]:
    """Scores of which at least one is mated and one is not."""
    more = st.lists(st.tuples(values, st.booleans()), max_size=40)
    rows = st.tuples(values, values, more).map(lambda t: [(t[0], True), (t[1], False), *t[2]])
    return rows.map(lambda rows: ([score for score, _ in rows], [mated for _, mated in rows]))


def parted(case: Case, sizes: list[int], kind: Any = np.float64) -> Callable[[], Iterator[tuple[Any, Any]]]:
    """The comparisons in blocks of these sizes, the rest in one."""
    score, mated = np.array(case[0], kind), np.array(case[1])
    ends = [0, *np.cumsum(sizes, dtype=int).tolist(), len(score)]

    def blocks() -> Iterator[tuple[Any, Any]]:
        for start, stop in itertools.pairwise(ends):
            yield score[start:stop], mated[start:stop]

    return blocks


def streamed_as_in_memory(case: Case, sizes: list[int], kind: Any = np.float64) -> bool:
    whole = Comparisons(np.array(case[0], kind), case[1])
    return streamed.estimates(parted(case, sizes, kind), EVERY) == tuple(metric.compute(whole) for metric in EVERY)


@pytest.fixture(params=[(-1, 3), (4, 7)], ids=["by digits only", "few scores at once"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of dividing an interval, with blocks longer than a chunk, and tables small enough to try often."""
    for name, value in zip(("KEPT", "CHUNK", "FIRST", "DIGIT"), (*request.param, 12, 13), strict=True):
        monkeypatch.setattr(streamed, name, value)


sizes = st.lists(st.integers(0, 9), max_size=4)


@pytest.mark.usefixtures("small")
@settings(deadline=None)
@given(cases(ties), sizes)
@example(([1.0, 1.0], [True, False]), [])
@example(([FAILED, FAILED, math.nan], [True, False, False]), [1, 0, 0])
@example(([0.0, -0.0, 0.0, -5e-324], [True, False, False, True]), [2])
def test_ties_zeros_and_failures_are_counted_as_in_memory(case: Case, sizes: list[int]) -> None:
    assert streamed_as_in_memory(case, sizes)


@pytest.mark.usefixtures("small")
@settings(deadline=None)
@given(cases(scores), sizes)
def test_any_scores_give_the_same_digits_as_in_memory(case: Case, sizes: list[int]) -> None:
    assert streamed_as_in_memory(case, sizes)


@pytest.mark.usefixtures("small")
@settings(deadline=None)
@given(cases(singles), sizes)
def test_scores_of_single_precision_give_the_same_digits_as_in_memory(case: Case, sizes: list[int]) -> None:
    assert streamed_as_in_memory(case, sizes, np.float32)


@pytest.mark.parametrize("kept", [0, 500, streamed.KEPT])
@pytest.mark.parametrize("digits", [1, 3, 17])
def test_many_scores_with_and_without_ties_give_the_same_digits_as_in_memory(
    digits: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "KEPT", kept)
    generator = np.random.default_rng(digits)
    mated = generator.random(5000) < 0.3
    score = np.round(generator.normal(np.where(mated, 0.3, 0), 0.1), digits)
    score[generator.random(5000) < 0.01] = np.nan
    assert streamed_as_in_memory((score.tolist(), mated.tolist()), [700, 0, 1, 2000])


@pytest.mark.usefixtures("small")
@settings(deadline=None)
@given(cases(ties | scores))
def test_no_interval_is_divided_beyond_the_last_bit(case: Case) -> None:
    passes = 0
    whole = parted(case, [])

    def blocks() -> Iterator[tuple[Any, Any]]:
        nonlocal passes
        passes += 1
        return whole()

    streamed.estimates(blocks, EVERY)
    assert passes <= 1 + math.ceil((streamed.KEY - streamed.FIRST) / streamed.DIGIT)


def test_four_passes_are_the_most() -> None:
    assert 1 + math.ceil((streamed.KEY - streamed.FIRST) / streamed.DIGIT) == 4


GOOD: Case = ([0.5, 0.2, 0.1], [True, False, False])


@pytest.mark.parametrize(
    ("score", "mated", "message"),
    [
        ([0.1, 0.2], [True], "scores of shape (2,) and kinds of shape (1,)"),
        ([[0.1], [0.2]], [[True], [False]], "scores of shape (2, 1)"),
        ([0.1, math.inf], [True, False], "One is +inf"),
        ([0.1, 0.2], [True, True], "2 are mated, 0 are not"),
        ([], [], "0 are mated, 0 are not"),
    ],
)
def test_what_memory_refuses_is_refused(score: list[Any], mated: list[Any], message: str) -> None:
    with pytest.raises(WrongUse) as raised:
        streamed.estimates(lambda: [(score, mated)], [EER])
    assert message in str(raised.value)


def test_a_metric_that_needs_every_score_is_refused_by_its_name() -> None:
    with pytest.raises(WrongUse, match="metric accuracy of streamed scores"):
        streamed.estimates(parted(GOOD, []), [EER, ACCURACY])


def test_blocks_that_cannot_be_passed_over_again_are_refused() -> None:
    used = parted(GOOD, [])()
    growing: list[tuple[Any, Any]] = [GOOD]

    def grown() -> list[tuple[Any, Any]]:
        growing.append(GOOD)
        return growing

    for blocks in (lambda: used, grown):
        with pytest.raises(WrongUse, match="saw others than the one before"):
            streamed.estimates(blocks, [EER])


def test_no_metric_asked_for_is_none_computed() -> None:
    assert streamed.estimates(parted(GOOD, []), []) == ()


def test_the_metrics_of_the_table_that_can_be_streamed_are() -> None:
    able: list[Metric] = [m for name, m in METRICS.items() if name.partition("=")[0] in streamed.FAMILIES]
    assert {metric.name.partition("=")[0] for metric in able} == set(streamed.FAMILIES)
    assert [e.value for e in streamed.estimates(parted(GOOD, [1]), able)]


def test_importing_loads_no_numpy() -> None:
    program = "import sys, bench.metrics.streamed, bench.metrics.roc; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize("constant", [True, False])
def test_memory_does_not_grow_with_the_scores(constant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "CHUNK", 1 << 16), monkeypatch.setattr(streamed, "KEPT", 0)
    generator = np.random.default_rng(0)
    score = np.full(1 << 16, 0.5) if constant else generator.normal(0, 0.1, 1 << 16)
    mated = generator.random(1 << 16) < 0.1

    def held(repeats: int) -> int:
        tracemalloc.start()
        streamed.estimates(lambda: ((score, mated) for _ in range(repeats)), EVERY)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    few = held(4)
    assert held(64) < 1.1 * few < 250e6
