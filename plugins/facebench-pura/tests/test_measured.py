"""Pura as it is measured: every division exact, void with test keys, a figure with real ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from facebench_pura.measured import MeasuredMatcher

import bench
from bench.errors import ContractBroken
from bench.measuring import measure
from bench.protocols.encryption import protocol
from bench.tasks.encryption import Work


@bench.parametrize_with_checks(["pura"])
def test_it_plays_by_the_rules(check: object) -> None:
    check()  # type: ignore[operator]


@pytest.mark.parametrize("division", ["public", "packed", "owner", "pool"])
def test_every_division_passes_the_checks_of_encryption(division: str) -> None:
    assert _session(division)["failures"] == []


@pytest.mark.parametrize("gallery", ["plaintext", "encrypted"])
def test_every_gallery_passes_the_checks_of_matching(gallery: str) -> None:
    assert _session("public", gallery)["failures"] == []


def test_the_published_split_gives_no_security() -> None:
    given = _session("public", "encrypted", split="published")
    assert given["failures"] == [] and given["security"] == 0


def test_a_cell_with_test_keys_is_void_by_design(tmp_path: Path) -> None:
    question = protocol("encryption/toy/short", Work(8, 512, galleries=(("encrypted", 1),), rounds=1))
    with pytest.raises(ContractBroken, match="method: its keys give 0 bits of security"):
        bench.run(question, roles={"method": "pura", "reference": "phe"}, out=tmp_path)
    assert not list(tmp_path.rglob("result.json"))


def test_a_cell_with_real_keys_has_figures(tmp_path: Path) -> None:
    question = protocol("encryption/toy/real", Work(8, 2048, galleries=(("plaintext", 1),), rounds=1))
    (result,) = bench.run(question, roles={"method": "pura", "reference": "phe"}, out=tmp_path)
    assert result.score("security_bits").value == 112  # type: ignore[union-attr]
    assert result.score("search@plaintext=1.ratio") is not None


def _session(division: str, gallery: str = "", split: str = "default") -> dict[str, object]:
    work = {"dimension": 8, "bits": 512, "division": division, "gallery": gallery, "rows": 2, "measured": 2}
    return measure(MeasuredMatcher("portable", split), {**work, "seed": [0]})
