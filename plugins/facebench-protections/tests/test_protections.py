"""Protections change what they say they change, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from facebench_protections import BioHash, facebench_methods
from hypothesis import given
from hypothesis import strategies as st

import bench

METHODS = {method.name: method for method in facebench_methods()}


def made(name: str, seed: int = 0, **options: int) -> Any:
    defaults = {option.name: option.default for option in METHODS[name].options}
    return METHODS[name].load(bench.Load(seed=seed, options={**defaults, **options}))


@bench.parametrize_with_checks([*METHODS])
def test_it_plays_by_the_rules(check: Callable[[], None]) -> None:
    check()


@given(st.floats(-1, 1), st.integers(0, 6))
def test_a_rounded_score_is_at_most_half_a_digit_off(score: float, digits: int) -> None:
    told = made("round-scores", digits=digits).tell(np.array([score]), 0.3)
    assert abs(told[0] - score) <= 0.5 * 10.0**-digits + 1e-12
    assert told[0] * 10**digits == pytest.approx(round(told[0] * 10**digits))


def test_a_decision_is_above_the_threshold_alone() -> None:
    assert made("decision-only").tell(np.array([0.2, 0.3, 0.4]), 0.3).tolist() == [0, 0, 1]


def test_a_limit_is_as_many_as_it_says() -> None:
    assert made("query-limit").most_queries() == 1000
    assert made("query-limit", most=7).most_queries() == 7
    assert [made(name).most_queries() for name in ("round-scores", "decision-only", "biohash")] == [0, 0, 0]


@given(st.integers(0, 100), st.sampled_from([16, 24, 100]))
def test_the_cosine_of_two_hashes_is_that_of_their_hamming_distance(seed: int, bits: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(2, 24)).astype(np.float32)
    one, other = BioHash(bits, seed).protect(vectors)
    assert one.shape == (bits,)
    cosine = float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
    assert cosine == pytest.approx(1 - 2 * (one != other).mean())


def test_hashes_follow_the_angle_of_the_embeddings() -> None:
    generator = np.random.default_rng(0)
    start, across = np.linalg.qr(generator.normal(size=(64, 2)))[0].T
    for angle in (0.3, 1.0, 2.0):
        vectors = np.stack([start, np.cos(angle) * start + np.sin(angle) * across]).astype(np.float32)
        one, other = BioHash(8192, 1).protect(vectors)
        assert (one != other).mean() == pytest.approx(angle / np.pi, abs=0.03)


def test_another_seed_is_another_key_and_the_same_seed_the_same() -> None:
    vectors = np.random.default_rng(0).normal(size=(3, 32)).astype(np.float32)
    first, again, other = (made("biohash", seed).protect(vectors) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("name", "options"), [("round-scores", {"digits": -1}), ("query-limit", {"most": 0}), ("biohash", {"bits": 2})]
)
def test_an_option_without_sense_is_refused(name: str, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="="):
        made(name, **options)
