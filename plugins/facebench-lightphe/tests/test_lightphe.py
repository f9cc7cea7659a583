"""LightPHE: exact where it answers, its randomness from the operating system."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import bench
from bench.measuring import measure

pytest.importorskip("lightphe", reason="needs lightphe")

import facebench_lightphe

SHORT = 512


@bench.parametrize_with_checks(["lightphe"])
def test_it_plays_by_the_rules(check: object) -> None:
    check()  # type: ignore[operator]


@pytest.fixture
def matcher() -> Any:
    return facebench_lightphe.load(bench.Load())


def test_scores_are_inner_products_and_bytes_come_back(matcher: Any) -> None:
    matcher.keygen(SHORT, "public", "plaintext")
    rows = np.array([[1, -128, 127], [0, 0, -1], [0, 0, 0], [-128, -128, -128]], np.int8)
    matcher.enrol(rows)
    for probe in np.array([[-2, 3, 5], [-128, -128, -128], [127, 127, 127], [0, 0, 0]], np.int8):
        sent = matcher.serialise(matcher.encrypt(probe))
        back = matcher.deserialise(sent)
        assert matcher.serialise(back) == sent
        assert matcher.decrypt(back) == probe.tolist()
        assert matcher.decrypt(matcher.match(back)) == (rows.astype(int) @ probe.astype(int)).tolist()


def test_nothing_is_drawn_from_a_generator_that_can_be_seeded(matcher: Any) -> None:
    drawn = []
    for _ in range(2):
        random.seed(0)
        matcher.keygen(SHORT, "public", "plaintext")
        modulus = matcher._key.plaintext_modulo
        random.seed(0)
        drawn += [modulus, *matcher.encrypt(np.zeros(2, np.int8)), *matcher.encrypt(np.zeros(2, np.int8))]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("bits", [511, 512, 1024])
def test_a_modulus_has_the_length_that_was_asked_for(matcher: Any, bits: int) -> None:
    matcher.keygen(bits, "public", "plaintext")
    assert matcher._key.plaintext_modulo.bit_length() == bits
    assert matcher.security() == (80 if bits == 1024 else 0)


def test_damaged_bytes_are_refused(matcher: Any) -> None:
    matcher.keygen(SHORT, "public", "plaintext")
    data = matcher.serialise(matcher.encrypt(np.zeros(2, np.int8)))
    for damaged in (data[:-1], b"\xff" * len(data), b"\0" * len(data)):
        with pytest.raises(bench.FacebenchError, match="damaged"):
            matcher.deserialise(damaged)


def test_what_it_cannot_do_is_not_offered(matcher: Any) -> None:
    for division, gallery in (("packed", "plaintext"), ("owner", "plaintext"), ("public", "encrypted")):
        with pytest.raises(NotImplementedError):
            matcher.keygen(SHORT, division, gallery)
    with pytest.raises(bench.FacebenchError, match="There is no key"):
        matcher.security()


def test_the_harness_finds_nothing_wrong(matcher: Any) -> None:
    work = {"dimension": 1, "bits": 2048, "division": "public", "gallery": "plaintext", "rows": 2, "measured": 2}
    found = measure(matcher, {**work, "seed": [0]})
    assert found["failures"] == []
    assert found["security"] == 112
