"""Scores of an encrypted probe against a plaintext gallery are the plaintext's."""

from __future__ import annotations

import numpy as np
import pytest
from facebench_pura import packing
from facebench_pura.gallery import PlainGallery, best_group, score_bits
from facebench_pura.refusals import ValueRefused
from hypothesis import given, settings
from hypothesis import strategies as st

quick = settings(deadline=None, max_examples=50)


@quick
@given(st.integers(1, 20), st.integers(1, 12), st.integers(0, 2**32))
def test_scores_are_inner_products_one_by_one_and_packed(pair, dimension: int, rows: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    features = generator.integers(-128, 128, (rows, dimension)).astype(np.int8)
    probe = generator.integers(-128, 128, dimension)
    gallery = PlainGallery(features, pair.public)
    scores = gallery.match(pair.enc(probe.tolist()))
    expected = (features.astype(int) @ probe).tolist()
    assert pair.dec(scores) == expected
    per = packing.capacity(pair.public.bits, gallery.slot)
    plain = pair.dec(gallery.packed(scores))
    unpacked = [packing.unpack(p, gallery.slot, min(per, rows - at * per)) for at, p in enumerate(plain)]
    assert [value for values in unpacked for value in values] == expected


def test_the_extreme_scores_fit_their_slots(pair) -> None:
    features = np.full((2, 64), -128, np.int8)
    features[1] = 127
    gallery = PlainGallery(features, pair.public)
    for value in (-128, 127):
        (packed,) = gallery.packed(gallery.match(pair.enc([value] * 64)))
        assert packing.unpack(pair.dec([packed])[0], gallery.slot, 2) == [-128 * value * 64, 127 * value * 64]


@pytest.mark.parametrize("dimension", [1, 128, 512, 4096])
def test_a_slot_holds_the_largest_score_and_its_sign(dimension: int) -> None:
    assert 128 * 128 * dimension < 1 << (score_bits(dimension) - 1)


def test_larger_galleries_pay_larger_groups() -> None:
    groups = [best_group(512, rows, 8) for rows in (1, 64, 1000, 10000)]
    assert groups == sorted(groups) and groups[0] < groups[-1]


@pytest.mark.parametrize("features", [np.zeros((0, 4), np.int8), np.zeros((2, 3), np.int16), np.zeros(4, np.int8)])
def test_what_is_no_gallery_is_refused(pair, features: np.ndarray) -> None:
    with pytest.raises(ValueRefused):
        PlainGallery(features, pair.public)


def test_a_probe_of_another_dimension_is_refused(pair) -> None:
    with pytest.raises(ValueRefused, match="another dimension"):
        PlainGallery(np.zeros((2, 3), np.int8), pair.public).match(pair.enc([1, 2]))
