"""BFV in coefficients: exact in both galleries and at the edges of int8, refused where it does not offer a division."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bench
from bench.measuring import measure

pytest.importorskip("seal", reason="needs seal-python, which has no wheel for every platform")

import facebench_seal

EDGES = np.array([-128, -1, 0, 1, 127])


@bench.parametrize_with_checks(["seal-bfv"])
def test_it_plays_by_the_rules(check: object) -> None:
    check()  # type: ignore[operator]


def vectors(rows: int, dimension: int, seed: int = 0) -> tuple[Any, Any]:
    """A probe and rows, the first ones at the edges of int8."""
    drawn = np.random.default_rng(seed).integers(-128, 128, (1 + rows, dimension))
    for row, edge in zip(drawn[1:], EDGES, strict=False):
        row[:] = edge
    return drawn[0].astype(np.int8), drawn[1:].astype(np.int8)


def scores(gallery: str, probe: Any, rows: Any) -> list[int]:
    """What is expected, of plain integers."""
    wide, one = rows.astype(int), probe.astype(int)
    found: list[int] = (wide @ one if gallery == "plaintext" else ((wide - one) ** 2).sum(axis=1)).tolist()
    return found


@pytest.fixture
def matcher() -> Any:
    made = facebench_seal.load(bench.Load())
    yield made
    made.close()


@pytest.mark.parametrize("gallery", ["plaintext", "encrypted"])
@pytest.mark.parametrize("dimension", [1, 2, 128, 511, 512])
def test_scores_are_those_of_plain_integers(matcher: Any, gallery: str, dimension: int) -> None:
    matcher.keygen(2048, "public", gallery)
    probe, rows = vectors(19, dimension)
    matcher.enrol(rows)
    for asked in (probe, *rows[:5]):
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
    matcher.enrol(np.zeros((30, 128), np.int8))
    assert matcher.decrypt(matcher.match(matcher.encrypt(np.full(128, -128, np.int8)))) == [0] * 30


def test_the_owner_answers_with_the_nearest_row(matcher: Any) -> None:
    matcher.keygen(2048, "public", "encrypted")
    _, rows = vectors(16, 128)
    matcher.enrol(rows)
    assert matcher.answer(matcher.encrypt(rows[9])) == 9


def test_damaged_bytes_are_refused(matcher: Any) -> None:
    matcher.keygen(2048, "public", "plaintext")
    data = matcher.serialise(matcher.encrypt(vectors(0, 8)[0]))
    other = data[:4] + (1 << 20).to_bytes(4, "little") + data[8:]
    for damaged in (b"", data[:-1], data + b"x", b"\0" * len(data), other):
        with pytest.raises(bench.FacebenchError, match="Ciphertexts were read"):
            matcher.deserialise(damaged)


def test_what_it_cannot_do_is_not_offered(matcher: Any) -> None:
    for bits, division in ((2048, "pool"), (7680, "public")):
        with pytest.raises(NotImplementedError):
            matcher.keygen(bits, division, "plaintext")
    with pytest.raises(bench.FacebenchError, match="There is no key"):
        matcher.security()
    matcher.keygen(2048, "public", "encrypted")
    with pytest.raises(bench.FacebenchError, match="513 features"):
        matcher.encrypt(np.zeros(513, np.int8))


@pytest.mark.parametrize("gallery", ["", "plaintext", "encrypted"])
def test_the_harness_finds_nothing_wrong(matcher: Any, gallery: str) -> None:
    work = {"dimension": 128, "bits": 2048, "division": "public", "gallery": gallery, "rows": 20, "measured": 20}
    found = measure(matcher, {**work, "seed": [0]})
    assert found["failures"] == []
    assert found["security"] == 128
    assert "BFV" in found["about"]
