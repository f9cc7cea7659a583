"""Products of tables are powers and products modulo N^2."""

from __future__ import annotations

import numpy as np
import pytest
from facebench_pura import kernel
from facebench_pura.factored import factor, joined
from facebench_pura.refusals import ValueRefused
from facebench_pura.tables import digits_of, planes_of, powers, subsets
from gmpy2 import mpz, powmod
from hypothesis import given, settings
from hypothesis import strategies as st

quick = settings(deadline=None, max_examples=50)

KERNELS = ["portable", pytest.param("native", marks=pytest.mark.skipif(not kernel.native(), reason="no AVX512-IFMA"))]


@pytest.mark.parametrize("path", KERNELS)
@quick
@given(st.lists(st.integers(0, 2**40 - 1), min_size=1, max_size=9), st.integers(1, 7))
def test_a_row_of_powers_gives_any_power(pair, path: str, exponents: list[int], width: int) -> None:
    public, rows = pair.public, -(-40 // width)
    (base,) = factor([public.base], public.n)
    table = kernel.tables(powers(base, public.n, width, rows), public.n, path)
    found = [joined(p, k, public.n) for p, k in table.products(digits_of(exponents, width, rows)[:, None, :])]
    assert found == [powmod(public.base, e, public.square) for e in exponents]


@pytest.mark.parametrize("path", KERNELS)
@quick
@given(st.integers(1, 7), st.lists(st.integers(0, 2**137 - 1), min_size=6, max_size=6), st.integers(1, 3))
def test_subsets_give_products_of_powers(pair, path: str, group: int, exponents: list[int], count: int) -> None:
    public = pair.public
    bases = pair.enc(range(6))
    table = kernel.tables(subsets(factor(bases, public.n), public.n, group), public.n, path)
    found = [joined(p, k, public.n) for p, k in table.products(planes_of([exponents] * count, group, 137))]
    expected = mpz(1)
    for base, exponent in zip(bases, exponents, strict=True):
        expected = expected * powmod(base, exponent, public.square) % public.square
    assert found == [expected] * count


def test_planes_of_an_array_are_those_of_its_integers() -> None:
    values = np.random.default_rng(0).integers(0, 256, (4, 13)).astype(np.int16)
    assert (planes_of(values, 5, 8) == planes_of(values.tolist(), 5, 8)).all()


@quick
@given(st.lists(st.integers(1, 2**900), min_size=1, max_size=8))
def test_a_factored_residue_is_the_residue(pair, values: list[int]) -> None:
    public = pair.public
    residues = [mpz(value) % public.square for value in values]
    for residue, factored in zip(residues, factor(residues, public.n), strict=True):
        assert joined(factored.r, factored.k, public.n) == residue
        assert factored.r * factored.inverse % public.n == 1


def test_an_unknown_kernel_is_refused(pair) -> None:
    with pytest.raises(ValueRefused, match="auto, portable, native"):
        kernel.tables([], pair.public.n, "fast")
