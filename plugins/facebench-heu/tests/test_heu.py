"""HEU's two schemes: exact where they answer, refused where they do not offer a division."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bench
from bench.measuring import measure

pytest.importorskip("heu", reason="needs sf-heu, which has wheels for CPython 3.11 only")

import facebench_heu

SHORT = 1024


@bench.parametrize_with_checks(["heu"])
def test_it_plays_by_the_rules(check: object) -> None:
    check()  # type: ignore[operator]


@pytest.fixture(params=facebench_heu.SCHEMES)
def matcher(request: pytest.FixtureRequest) -> Any:
    made = facebench_heu.load(bench.Load(options={"scheme": request.param}))
    yield made
    made.close()


def test_scores_are_inner_products_and_bytes_come_back(matcher: Any) -> None:
    matcher.keygen(SHORT, "public", "plaintext")
    rows = np.array([[1, -128, 127], [0, 0, -1], [0, 0, 0], [-128, -128, -128]], np.int8)
    matcher.enrol(rows)
    for probe in np.array([[-2, 3, 5], [-128, -128, -128], [127, 127, 127], [0, 0, 0]], np.int8):
        sent = matcher.serialise(matcher.encrypt(probe))
        assert sent != matcher.serialise(matcher.encrypt(probe))
        back = matcher.deserialise(sent)
        assert matcher.serialise(back) == sent
        assert matcher.decrypt(back) == probe.tolist()
        assert matcher.decrypt(matcher.match(back)) == (rows.astype(int) @ probe.astype(int)).tolist()


def test_a_short_key_claims_what_its_modulus_gives(matcher: Any) -> None:
    for bits, claimed in ((512, 0), (SHORT, 80)):
        matcher.keygen(bits, "public", "plaintext")
        assert matcher.security() == claimed


def test_damaged_bytes_are_refused(matcher: Any) -> None:
    matcher.keygen(SHORT, "public", "plaintext")
    for damaged in (b"", b"abc", matcher.serialise(matcher.encrypt(np.zeros(2, np.int8)))[:-9]):
        with pytest.raises(bench.FacebenchError, match="damaged"):
            matcher.deserialise(damaged)


def test_what_it_cannot_do_is_not_offered(matcher: Any) -> None:
    for division, gallery in (("packed", "plaintext"), ("owner", "plaintext"), ("public", "encrypted")):
        with pytest.raises(NotImplementedError):
            matcher.keygen(SHORT, division, gallery)
    with pytest.raises(bench.FacebenchError, match="There is no key"):
        matcher.security()


def test_the_harness_finds_nothing_wrong() -> None:
    matcher = facebench_heu.load(bench.Load())
    work = {"dimension": 4, "bits": 2048, "division": "public", "gallery": "plaintext", "rows": 3, "measured": 3}
    found = measure(matcher, {**work, "seed": [0]})
    assert found["failures"] == []
    assert found["security"] == 112
    assert "HEU" in found["about"]
