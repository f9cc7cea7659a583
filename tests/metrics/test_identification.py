"""Rank-k, FNIR at an FPIR and the CMC are what a plain loop over searches gives."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import WrongUse
from bench.metrics.identification import Searches, at_rank, cmc_points, fnir_at_fpir

LEVELS = [-np.inf, *np.round(np.linspace(-1, 1, 9), 3)]


@st.composite
def searches(draw: st.DrawFn) -> Searches:
    count = draw(st.integers(2, 30))
    mated = np.array([True, False] + [draw(st.booleans()) for _ in range(count - 2)])
    score = [draw(st.sampled_from(LEVELS)) if is_mated else -np.inf for is_mated in mated]
    other = [draw(st.sampled_from(LEVELS)) for _ in mated]
    rank = [draw(st.integers(1, 5)) if s > -np.inf else 6 for s in score]
    return Searches(mated, rank, score, other)


def plain_fnir(given: Searches, allowed: int) -> float:
    """Missed mated probes at the lowest threshold that at most ``allowed`` non-mated ones pass."""
    alarms = sorted(given.best_non_mated[~given.mated])
    threshold = next(level for level in alarms if sum(a > level for a in alarms) <= allowed)
    own = given.mated_score[given.mated]
    return sum(not s > threshold for s in own) / len(own)


@given(searches())
@settings(max_examples=200, deadline=None)
def test_fnir_is_that_of_a_plain_search_for_the_threshold(given: Searches) -> None:
    alarms = int((~given.mated).sum())
    for rate, share in (("1e-1", 10), ("1e-2", 100)):
        assert fnir_at_fpir(rate).compute(given).value == pytest.approx(plain_fnir(given, alarms // share))


@given(searches(), st.integers(1, 6))
@settings(max_examples=100, deadline=None)
def test_rank_k_counts_mated_probes_and_rises_with_k(given: Searches, k: int) -> None:
    found = [rank <= k for rank in given.rank[given.mated]]
    assert at_rank(k).compute(given).value == pytest.approx(sum(found) / len(found))
    assert at_rank(k).compute(given).value <= at_rank(k + 1).compute(given).value


@given(searches())
@settings(max_examples=100, deadline=None)
def test_whole_weights_are_repeated_probes(given: Searches) -> None:
    weights = np.arange(len(given.mated)) % 3 + 1.0
    rows = np.repeat(np.arange(len(given.mated)), weights.astype(int))
    again = Searches(given.mated[rows], given.rank[rows], given.mated_score[rows], given.best_non_mated[rows])
    for metric in (at_rank(1), fnir_at_fpir("1e-1")):
        assert metric.compute(given, weights).value == pytest.approx(metric.compute(again).value)


@given(searches())
@settings(max_examples=50, deadline=None)
def test_the_cmc_ends_at_the_last_rank_and_never_falls(given: Searches) -> None:
    points = cmc_points(given)
    assert [rank for rank, _ in points] == list(range(1, len(points) + 1))
    assert all(a <= b for (_, a), (_, b) in pairwise(points))
    assert points[-1][1] == pytest.approx(1)


def test_a_rate_that_the_probes_cannot_resolve_is_a_bound() -> None:
    few = Searches([True, False], [1, 3], [0.9, -np.inf], [0.1, 0.2])
    found = fnir_at_fpir("1e-1").compute(few)
    assert found.bound == "at least" and "needs 30 non-mated probes, there are 1" in found.note


def test_what_cannot_be_computed_is_refused() -> None:
    with pytest.raises(WrongUse, match="None is mated"):
        Searches([False], [2], [-np.inf], [0.3])
    with pytest.raises(WrongUse, match="No probe is non-mated"):
        fnir_at_fpir("1e-1").compute(Searches([True], [1], [0.5], [0.3]))
