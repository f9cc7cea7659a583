"""CKKS in both packings: exact once rounded, in both galleries and at the edges of int8."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bench
from bench.measuring import measure

pytest.importorskip("tenseal", reason="needs TenSEAL, which has no wheel for every platform")

import facebench_tenseal
from facebench_tenseal.polynomials import Roots

EDGES = np.array([-128, -1, 0, 1, 127])
GALLERIES = ("plaintext", "encrypted")


@bench.parametrize_with_checks(["tenseal-ckks"])
def test_it_plays_by_the_rules(check: object) -> None:
    check()  # type: ignore[operator]


def vectors(rows: int, dimension: int) -> tuple[Any, Any]:
    """A probe and rows, the first ones at the edges of int8."""
    drawn = np.random.default_rng(0).integers(-128, 128, (1 + rows, dimension))
    for row, edge in zip(drawn[1:], EDGES, strict=False):
        row[:] = edge
    return drawn[0].astype(np.int8), drawn[1:].astype(np.int8)


def scores(gallery: str, probe: Any, rows: Any) -> list[int]:
    """What is expected, of plain integers."""
    wide, one = rows.astype(int), probe.astype(int)
    found: list[int] = (wide @ one if gallery == "plaintext" else ((wide - one) ** 2).sum(axis=1)).tolist()
    return found


@pytest.fixture(params=facebench_tenseal.PACKINGS)
def matcher(request: pytest.FixtureRequest) -> Any:
    made = facebench_tenseal.load(bench.Load(options={"packing": request.param}))
    yield made
    made.close()


@pytest.mark.parametrize("gallery", GALLERIES)
@pytest.mark.parametrize("dimension", [8, 512])
def test_scores_are_those_of_plain_integers(matcher: Any, gallery: str, dimension: int) -> None:
    matcher.keygen(2048, "public", gallery)
    probe, rows = vectors(7, dimension)
    matcher.enrol(rows)
    for asked in (probe, rows[0]):
        assert matcher.decrypt(matcher.match(matcher.encrypt(asked))) == scores(gallery, asked, rows)


@pytest.mark.parametrize("division", ["public", "packed", "owner"])
def test_what_came_back_from_bytes_is_matched_like_the_probe(matcher: Any, division: str) -> None:
    matcher.keygen(3072, division, "plaintext")
    probe, rows = vectors(3, 128)
    matcher.enrol(rows)
    first, second = matcher.encrypt(probe), matcher.encrypt(probe)
    data = matcher.serialise(first)
    assert data != matcher.serialise(second)
    back = matcher.deserialise(data)
    assert matcher.serialise(back) == data
    assert matcher.decrypt(back) == probe.tolist()
    matched = matcher.deserialise(matcher.serialise(matcher.match(back)))
    assert matcher.decrypt(matched) == scores("plaintext", probe, rows)


def test_a_gallery_of_zeros_scores_zero(matcher: Any) -> None:
    matcher.keygen(2048, "public", "plaintext")
    matcher.enrol(np.zeros((3, 16), np.int8))
    assert matcher.decrypt(matcher.match(matcher.encrypt(np.full(16, -128, np.int8)))) == [0] * 3


def test_the_owner_answers_with_the_nearest_row(matcher: Any) -> None:
    matcher.keygen(2048, "public", "encrypted")
    _, rows = vectors(8, 128)
    matcher.enrol(rows)
    assert matcher.answer(matcher.encrypt(rows[6])) == 6


def test_damaged_bytes_are_refused(matcher: Any) -> None:
    matcher.keygen(2048, "public", "plaintext")
    data = matcher.serialise(matcher.encrypt(vectors(0, 8)[0]))
    for damaged in (b"", data[: len(data) // 2], data + b"x", b"\xff" * 99):
        with pytest.raises(bench.FacebenchError, match="damaged"):
            matcher.deserialise(damaged)


def test_what_it_cannot_do_is_not_offered(matcher: Any) -> None:
    for bits, division in ((2048, "pool"), (7680, "public")):
        with pytest.raises(NotImplementedError):
            matcher.keygen(bits, division, "plaintext")
    with pytest.raises(bench.FacebenchError, match="There is no key"):
        matcher.security()
    matcher.keygen(2048, "public", "plaintext")
    with pytest.raises(NotImplementedError):
        matcher.answer(matcher.encrypt(np.zeros(8, np.int8)))
    with pytest.raises(bench.FacebenchError, match="8192 features"):
        matcher.encrypt(np.zeros(8192, np.int8))


def test_slots_and_coefficients_are_the_same_polynomial() -> None:
    roots, coefficients = Roots.of(16), np.arange(16) - 5.0
    slots = roots.slots(coefficients)
    assert slots[1] == pytest.approx(np.polyval(coefficients[::-1], np.exp(3j * np.pi / 16)))
    assert roots.coefficients(slots) == pytest.approx(coefficients)


@pytest.mark.parametrize("gallery", ["", *GALLERIES])
def test_the_harness_finds_nothing_wrong(matcher: Any, gallery: str) -> None:
    work = {"dimension": 8, "bits": 2048, "division": "public", "gallery": gallery, "rows": 6, "measured": 6}
    found = measure(matcher, {**work, "seed": [0]})
    assert found["failures"] == []
    assert found["security"] == 128
    assert "CKKS" in found["about"]
