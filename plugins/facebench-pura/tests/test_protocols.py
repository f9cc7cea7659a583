"""Each protocol gives what its plaintext formula gives, over signed ranges and at their edges."""

from __future__ import annotations

import pytest
from facebench_pura import templates
from facebench_pura.helping import Helper
from facebench_pura.refusals import ValueRefused
from facebench_pura.starting import comparison_leak, widest_spread
from facebench_pura.templates import Layout
from hypothesis import given, settings
from hypothesis import strategies as st

few = settings(deadline=None, max_examples=12)
BITS = 20
EDGE = (1 << BITS) - 1
signed = st.integers(-EDGE, EDGE)
pairs = st.lists(st.tuples(signed, signed), min_size=1, max_size=5)
edges = [(0, 0), (EDGE, EDGE), (-EDGE, -EDGE), (EDGE, -EDGE), (-EDGE, EDGE), (0, 1), (1, 0), (-1, 0), (0, -1)]
starters = pytest.mark.parametrize("first", [0, 1], ids=["server 1 starts", "server 2 starts"])


def parted(pair, given: list[tuple[int, int]]) -> list[list]:
    return [pair.enc(side) for side in zip(*given, strict=True)]


@starters
@few
@given(given=pairs)
def test_smul_multiplies(pair, first: int, given: list[tuple[int, int]]) -> None:
    for values in (given, edges):
        assert pair.dec(pair.starter(first).multiply(*parted(pair, values), BITS)) == [x * y for x, y in values]


@starters
@few
@given(given=pairs)
def test_scmp_compares(pair, first: int, given: list[tuple[int, int]]) -> None:
    for values in (given, edges):
        assert pair.dec(pair.starter(first).less(*parted(pair, values), BITS)) == [int(x < y) for x, y in values]


@few
@given(given=pairs)
def test_the_protocols_also_run_under_the_published_split_and_mask(published, given: list[tuple[int, int]]) -> None:
    starter = published.starter(spread=1)
    assert published.dec(starter.multiply(*parted(published, given), BITS)) == [x * y for x, y in given]
    assert published.dec(starter.less(*parted(published, given), BITS)) == [int(x < y) for x, y in given]


@few
@given(st.lists(signed, min_size=1, max_size=5))
def test_ssba_gives_sign_and_magnitude(pair, values: list[int]) -> None:
    values = [*values, 0, EDGE, -EDGE]
    negative, magnitude = pair.starter().magnitude(pair.enc(values), BITS)
    assert pair.dec(negative) == [int(x < 0) for x in values]
    assert pair.dec(magnitude) == [abs(x) for x in values]


@settings(deadline=None, max_examples=6)
@given(st.integers(0, 255), st.integers(1, 255))
def test_sdiv_divides(pair, x: int, y: int) -> None:
    for top, bottom in ((x, y), (0, y), (255, 1)):
        found = pair.starter().divide(*pair.enc([top, bottom]), quotient_bits=8, value_bits=8)
        assert tuple(pair.dec(found)) == divmod(top, bottom)


@few
@given(st.lists(st.integers(-EDGE, EDGE), min_size=1, max_size=9), st.integers(1, 4))
def test_smin_and_top_k_rank_and_keep_the_first_of_equals(pair, values: list[int], count: int) -> None:
    for ranked in (values, [7] * 5):
        tags = list(range(1, len(ranked) + 1))
        found = pair.starter().ranked(pair.enc(ranked), pair.enc(tags), count, BITS)
        expected = sorted(zip(ranked, tags, strict=True))[:count]
        assert [tuple(pair.dec(won)) for won in found] == expected


def test_smin_of_nothing_is_refused(pair) -> None:
    with pytest.raises(ValueRefused):
        pair.starter().smallest([], [], BITS)


int8 = st.integers(-128, 127)


@few
@given(st.integers(1, 9).flatmap(lambda d: st.tuples(*[st.lists(int8, min_size=d, max_size=d)] * 3)))
def test_batch_square_gives_squared_distances(pair, given: tuple[list[int], ...]) -> None:
    probe, *rows = given
    dimension = len(probe)
    rows += [probe, [127] * dimension, [-128] * dimension]
    layout = Layout.of(pair.public, dimension)
    hidden = templates.probe(pair.encryptor, probe, layout)
    enrolled = [templates.row(pair.encryptor, row, layout) for row in rows]
    expected = [sum((x - y) ** 2 for x, y in zip(probe, row, strict=True)) for row in rows]
    starter = pair.starter()
    assert pair.dec(starter.squared_distances(hidden, enrolled, layout)) == expected
    assert pair.dec([starter.distances_by_products(hidden, enrolled[0])]) == expected[:1]


def test_the_largest_distance_fits(pair) -> None:
    layout = Layout.of(pair.public, 40)
    hidden = templates.probe(pair.encryptor, [127] * 40, layout)
    row = templates.row(pair.encryptor, [-128] * 40, layout)
    (distance,) = pair.dec(pair.starter().squared_distances(hidden, [row], layout))
    assert distance == 40 * 255**2 < 1 << layout.distance_bits


@pytest.mark.parametrize("dimension, mask_bits", [(0, 128), (4097, 128), (10, 39)])
def test_a_layout_outside_of_its_bounds_is_refused(pair, dimension: int, mask_bits: int) -> None:
    with pytest.raises(ValueRefused):
        Layout.of(pair.public, dimension, mask_bits)


@pytest.mark.parametrize("features", [[1, 2], [1, 2, 200], [1, 2, -129]])
def test_what_is_no_int8_template_of_the_dimension_is_refused(pair, features: list[int]) -> None:
    with pytest.raises(ValueRefused):
        templates.probe(pair.encryptor, features, Layout.of(pair.public, 3))


def test_values_that_leave_no_room_for_their_masks_are_refused(pair) -> None:
    with pytest.raises(ValueRefused, match="modulus has 512 bits"):
        pair.starter().multiply(*parted(pair, [(1, 1)]), 200)


@pytest.mark.parametrize("kind, numbers, count", [("add", (), 1), ("multiply", (), 1), ("multiply", (600,), 1)])
def test_a_helper_refuses_what_is_no_protocol(pair, kind: str, numbers: tuple[int, ...], count: int) -> None:
    opened = pair.shares[0].open(pair.enc([1] * count))
    with pytest.raises(ValueRefused):
        Helper(pair.shares[1], pair.encryptor).answer(kind, numbers, opened)


@pytest.mark.parametrize("numbers", [(137, 0, 3), (137, 3, 0), (200, 3, 3), (137, 3, 7)])
def test_a_helper_refuses_packs_that_do_not_fit(pair, numbers: tuple[int, ...]) -> None:
    opened = pair.shares[0].open(pair.enc([1, 1]))
    with pytest.raises(ValueRefused):
        Helper(pair.shares[1], pair.encryptor).answer("square", numbers, opened)


def seen(pair, difference: int, spread: int | None, times: int) -> list[int]:
    """Bit lengths of what SCMP's helper decrypts for one difference."""
    lengths = []

    def ask(kind, numbers, opened):
        lengths.extend(int(value).bit_length() for value in pair.shares[1].finish(opened))
        return Helper(pair.shares[1], pair.encryptor).answer(kind, numbers, opened)

    starter = pair.starter(spread=spread)
    starter.ask = ask
    starter.less(pair.enc([difference] * times), pair.enc([0] * times), BITS)
    return lengths


def advantage(first: list[int], second: list[int]) -> float:
    """The best that a threshold on the bit length does in telling two samples apart."""
    return max(
        abs(sum(x <= at for x in first) / len(first) - sum(x <= at for x in second) / len(second))
        for at in {*first, *second}
    )


def test_the_published_mask_of_scmp_shows_the_size_and_the_default_one_within_its_bound(pair) -> None:
    times = 250
    assert advantage(seen(pair, 3, 1, times), seen(pair, 1 << 19, 1, times)) > 0.95
    bound = comparison_leak(BITS, widest_spread(pair.public, BITS))
    assert bound < 0.07
    # 0.2: far beyond the largest gap that two equal samples of 250 have by chance (0.17 once in a thousand)
    assert advantage(seen(pair, 3, None, times), seen(pair, 1 << 19, None, times)) < bound + 0.2


def test_the_leak_of_scmp_is_bounded_by_one_and_falls_with_the_spread() -> None:
    assert comparison_leak(26, 1) == 1
    assert comparison_leak(26, 1800) < 0.02 < comparison_leak(26, 400)


def test_scmp_shows_either_sign_as_often_whatever_the_order(pair) -> None:
    signs = []

    def ask(kind, numbers, opened):
        signs.extend(value > 0 for value in pair.shares[1].finish(opened))
        return Helper(pair.shares[1], pair.encryptor).answer(kind, numbers, opened)

    for difference in (-5, 0, 5):
        signs.clear()
        starter = pair.starter()
        starter.ask = ask
        starter.less(pair.enc([difference] * 100), pair.enc([0] * 100), BITS)
        assert 15 < sum(signs) < 85  # seven deviations of a fair coin
