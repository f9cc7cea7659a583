"""phe as the reference: exact where it answers, refused where it would not be a fair one."""

from __future__ import annotations

from pathlib import Path

import facebench_phe
import numpy as np
import pytest

import bench

METHODS = facebench_phe.facebench_methods()


@bench.parametrize_with_checks(["phe"])
def test_it_plays_by_the_rules(check: object) -> None:
    check()  # type: ignore[operator]


def test_scores_are_inner_products_and_bytes_come_back() -> None:
    matcher = facebench_phe.load(bench.Load())
    matcher.keygen(512, "public", "plaintext")
    rows = np.array([[1, -128, 127], [0, 0, -1]], np.int8)
    matcher.enrol(rows)
    probe = matcher.encrypt(np.array([-2, 3, 5], np.int8))
    assert matcher.decrypt(matcher.match(matcher.deserialise(matcher.serialise(probe)))) == [249, -5]
    assert matcher.security() == 0


def test_what_it_cannot_do_is_not_offered() -> None:
    matcher = facebench_phe.load(bench.Load())
    for division, gallery in (("packed", "plaintext"), ("public", "encrypted")):
        with pytest.raises(NotImplementedError):
            matcher.keygen(512, division, gallery)


def test_without_gmpy2_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from phe import util

    monkeypatch.setattr(util, "HAVE_GMP", False)
    with pytest.raises(bench.FacebenchError, match="gmpy2"):
        facebench_phe.load(bench.Load())


def test_a_cell_against_itself_names_its_libraries(tmp_path: Path) -> None:
    from bench.answers import read_table
    from bench.protocols.encryption import protocol
    from bench.tasks.encryption import Work

    question = protocol("encryption/toy/phe", Work(2, 2048, rounds=1))
    (result,) = bench.run(question, roles={"method": "phe", "reference": "phe"}, out=tmp_path)
    (path,) = tmp_path.rglob("trials.parquet")
    trials = read_table(path)
    assert result.score("security_bits").value == 112  # type: ignore[union-attr]
    assert all("gmpy2" in text for text in trials["about"])
