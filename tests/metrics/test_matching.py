"""One-to-one pairs are as many, and overlap as much, as the best of all pairings that there are."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from bench.metrics.matching import best_pairs, overlaps

Value = list[list[float]]


@st.composite
def values(draw: st.DrawFn, most: int = 5) -> np.ndarray:
    rows, columns = draw(st.integers(1, most)), draw(st.integers(1, most))
    levels = st.sampled_from([0.0, 0.0, 0.5, 0.6, 0.75, 1.0])
    return np.array([[draw(levels) for _ in range(columns)] for _ in range(rows)])


def worth(value: np.ndarray, pairs: list[tuple[int, int]]) -> tuple[int, float]:
    return len(pairs), round(sum(value[pair] for pair in pairs), 9)


@given(values())
@settings(max_examples=300, deadline=None)
def test_no_pairing_has_more_pairs_or_as_many_that_overlap_more(value: np.ndarray) -> None:
    pairs = best_pairs(value)
    wide = value if value.shape[0] <= value.shape[1] else value.T
    every = (
        [(i, j) for i, j in enumerate(columns) if wide[i, j] > 0]
        for columns in permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert worth(value, pairs) == max(worth(wide, one) for one in every)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(value[pair] > 0 for pair in pairs)


@given(values(most=20))
@settings(max_examples=200, deadline=None)
def test_the_pairs_are_worth_what_scipys_assignment_is(value: np.ndarray) -> None:
    rows, columns = linear_sum_assignment(np.where(value > 0, 100 + value, 0), maximize=True)
    theirs = [(i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if value[i, j] > 0]
    assert worth(value, best_pairs(value)) == worth(value, theirs)


def test_nothing_is_paired_where_there_is_nothing() -> None:
    assert best_pairs(np.zeros((0, 0))) == best_pairs(np.zeros((3, 0))) == best_pairs(np.zeros((2, 3))) == []


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), min_size=2, max_size=2))
@settings(max_examples=300, deadline=None)
def test_the_overlap_counts_frames_the_last_ones_included(made: list[tuple[int, int]]) -> None:
    (a, long), (b, other) = made
    one, two = set(range(a, a + long + 1)), set(range(b, b + other + 1))
    assert overlaps([(a, a + long)], [(b, b + other)])[0, 0] == len(one & two) / len(one | two)


def test_intervals_that_share_half_of_their_frames_overlap_by_exactly_a_half() -> None:
    assert overlaps([(0, 2)], [(0, 5)])[0, 0] == 0.5
    assert overlaps([(0, 9)], [(10, 19)])[0, 0] == 0
    assert overlaps([(10**9, 10**9 + 4)], [(10**9, 10**9 + 4)])[0, 0] == pytest.approx(1)
