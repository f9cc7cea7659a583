"""Slots hold signed values and nothing spills over."""

from __future__ import annotations

import pytest
from facebench_pura import packing
from facebench_pura.refusals import ValueRefused
from hypothesis import given, settings
from hypothesis import strategies as st

quick = settings(deadline=None, max_examples=50)


@quick
@given(st.integers(2, 140).flatmap(lambda slot: st.tuples(st.just(slot), st.lists(_within(slot), max_size=20))))
def test_what_is_packed_is_unpacked(given: tuple[int, list[int]]) -> None:
    slot, values = given
    assert packing.unpack(packing.pack(values, slot), slot, len(values)) == values


def _within(slot: int) -> st.SearchStrategy[int]:
    return st.integers(1 - (1 << (slot - 1)), (1 << (slot - 1)) - 1)


@pytest.mark.parametrize("value", [1 << 7, -(1 << 7)])
def test_a_value_too_wide_for_its_slot_is_refused(value: int) -> None:
    with pytest.raises(ValueRefused, match="8 bits"):
        packing.pack([0, value], 8)


def test_a_plaintext_of_more_slots_is_refused() -> None:
    with pytest.raises(ValueRefused, match="that many slots"):
        packing.unpack(1 << 40, 8, 2)


def test_the_published_packing_holds_78_and_118_features() -> None:
    assert (packing.capacity(2048, 26), packing.capacity(3072, 26)) == (78, 118)
    with pytest.raises(ValueRefused):
        packing.capacity(20, 26)


@quick
@given(st.lists(st.integers(-127, 127), min_size=1, max_size=30))
def test_sums_of_packed_values_are_packed_sums_under_encryption(pair, values: list[int]) -> None:
    per = packing.capacity(pair.public.bits, 26)
    first = pair.enc(packing.packs(values, 26, per))
    second = pair.enc(packing.packs(values[::-1], 26, per))
    plain = pair.dec([a * b % pair.public.square for a, b in zip(first, second, strict=True)])
    found = [v for at, p in enumerate(plain) for v in packing.unpack(p, 26, min(per, len(values) - at * per))]
    assert found == [a + b for a, b in zip(values, values[::-1], strict=True)]
