"""The stages of the whole method, in every division and with both kinds of gallery."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from facebench_pura.matcher import DIVISIONS, GALLERIES, PuraMatcher
from facebench_pura.organisation import Setup
from facebench_pura.refusals import KeyRefused, MessageRefused, ValueRefused

import bench

ROWS = np.random.default_rng(2).integers(-128, 128, (4, 9)).astype(np.int8)
PROBE = ROWS[2]
SCORES = {
    "plaintext": (ROWS.astype(int) @ PROBE.astype(int)).tolist(),
    "encrypted": ((ROWS.astype(int) - PROBE.astype(int)) ** 2).sum(axis=1).tolist(),
}


@pytest.fixture
def ready() -> Iterator:
    made = []

    def make(division: str, gallery: str, **options) -> PuraMatcher:
        matcher = PuraMatcher(division, gallery, window=5, insecure=True, **options)
        made.append(matcher)
        matcher.keygen(512)
        matcher.precompute(100)
        matcher.enrol(ROWS)
        return matcher

    yield make
    for matcher in made:
        matcher.close()


@pytest.mark.parametrize("gallery", GALLERIES)
@pytest.mark.parametrize("division", DIVISIONS)
def test_every_stage_gives_what_plaintext_gives(ready, division: str, gallery: str) -> None:
    matcher = ready(division, gallery)
    probe = matcher.encrypt(PROBE)
    assert matcher.decrypt(probe) == PROBE.tolist()
    assert matcher.deserialise(matcher.serialise(probe)) == probe
    assert matcher.encrypt(PROBE).ciphertexts != probe.ciphertexts
    assert len(matcher.processes()) == (2 if gallery == "encrypted" else 0)
    assert matcher.kernel in ("portable", "native") and matcher.table_bytes > 0
    if division == "packed":
        with pytest.raises(ValueRefused):
            matcher.match(probe)
        return
    before = matcher.traffic
    scores = matcher.match(probe)
    assert (matcher.traffic > before) == (gallery == "encrypted")
    assert matcher.decrypt(scores) == SCORES[gallery]
    if gallery == "plaintext":
        assert matcher.decrypt(matcher.pack(scores)) == SCORES[gallery]
    assert matcher.answer(probe) == 2


def test_a_test_key_is_void_by_design_and_a_published_share_too(ready) -> None:
    assert ready("public", "plaintext").security_bits == 0
    matcher = PuraMatcher(gallery="encrypted", setup=Setup(threshold=10, split="published", window=5), window=5)
    try:
        matcher.keygen(2048)
        assert matcher.security_bits == 112
        matcher.precompute()
        matcher.enrol(ROWS[:1])
        assert matcher.security_bits == 0
        assert matcher.answer(matcher.encrypt(ROWS[0])) == 0
    finally:
        matcher.close()


def test_a_real_key_is_worth_112_bits_with_both_shares_live() -> None:
    matcher = PuraMatcher(gallery="encrypted", setup=Setup(threshold=0, window=5), window=5)
    try:
        matcher.keygen(2048)
        matcher.precompute()
        matcher.enrol(ROWS[:2])
        assert matcher.security_bits == 112
        assert matcher.answer(matcher.encrypt(ROWS[1])) == 1
        assert matcher.answer(matcher.encrypt(ROWS[2])) is None
    finally:
        matcher.close()


@pytest.mark.parametrize("stage", ["precompute", "enrol", "encrypt", "match", "answer", "decrypt", "pack"])
def test_a_stage_before_its_time_is_refused_with_what_comes_first(ready, stage: str) -> None:
    probe = ready("public", "plaintext").encrypt(PROBE)
    given = {"precompute": (), "enrol": (ROWS,), "encrypt": (PROBE,)}.get(stage, (probe,))
    with pytest.raises(ValueRefused, match="First: "):
        getattr(PuraMatcher(), stage)(*given)


def test_a_small_key_needs_to_be_called_insecure() -> None:
    with pytest.raises(KeyRefused):
        PuraMatcher().keygen(512)


@pytest.mark.parametrize("division, gallery", [("mixed", "plaintext"), ("public", "none")])
def test_an_unknown_division_or_gallery_is_refused(division: str, gallery: str) -> None:
    with pytest.raises(ValueRefused, match="Divisions: public"):
        PuraMatcher(division, gallery)


def test_bytes_that_are_no_ciphertexts_are_refused(ready) -> None:
    matcher = ready("public", "plaintext")
    good = matcher.serialise(matcher.encrypt(PROBE))
    for data in (b"", good[:-1], good + b"\0", bytes(len(good)), good[::-1]):
        with pytest.raises(MessageRefused):
            matcher.deserialise(data)


def test_a_matcher_is_not_pickled_and_shows_no_key(ready) -> None:
    matcher = ready("public", "plaintext")
    with pytest.raises(TypeError):
        pickle.dumps(matcher)
    assert str(matcher._key.p) not in repr(matcher)


def test_the_readme_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.S)
    (said,) = re.findall(r"^prints `(.*?)`", readme, re.M)
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out.strip() == said


def test_refusals_are_of_the_house() -> None:
    assert issubclass(ValueRefused, bench.FacebenchError) and issubclass(MessageRefused, bench.FacebenchError)
