"""The native kernel gives gmpy2's results to the bit, and everything works without it."""

from __future__ import annotations

import gc
import secrets
import weakref

import numpy as np
import pytest
from facebench_pura import kernel, keys, lanes, paillier, shares
from facebench_pura.factored import factor
from facebench_pura.refusals import ValueRefused
from facebench_pura.tables import Tables, subsets
from gmpy2 import mpz, next_prime, powmod
from hypothesis import given, settings
from hypothesis import strategies as st

needed = pytest.mark.skipif(not kernel.native(), reason="the kernel was not compiled, or the CPU lacks AVX512-IFMA")
quick = settings(deadline=None, max_examples=60)


def odd(bits: int) -> mpz:
    return mpz(secrets.randbits(bits)) | (mpz(1) << (bits - 1)) | 1


def edges(modulus: mpz) -> list[mpz]:
    """Residues whose limbs are all zeros, all ones, or in between."""
    ones = (mpz(1) << (modulus.bit_length() - 1)) - 1
    return [mpz(0), mpz(1), modulus - 1, modulus // 2, ones, ones >> 52, mpz(1) << 52, (mpz(1) << 104) - 1]


@needed
@quick
@given(st.integers(20, 8300), st.integers(1, 20), st.integers(0, 2**300))
def test_powers_are_gmpys(bits: int, count: int, exponent: int) -> None:
    modulus = odd(bits)
    bases = [value % modulus for value in [*edges(modulus), *(mpz(secrets.randbits(bits)) for _ in range(count))]]
    assert lanes.powers(bases, mpz(exponent), modulus) == [powmod(base, exponent, modulus) for base in bases]


@needed
@pytest.mark.parametrize("bits", [2048, 4096, 3072, 6144])
def test_powers_are_gmpys_at_the_lengths_of_real_keys(bits: int) -> None:
    for modulus in (odd(bits), (mpz(1) << bits) - 1, (mpz(1) << (bits - 1)) + 1):
        bases = [*edges(modulus), *(mpz(secrets.randbits(bits)) % modulus for _ in range(9))]
        exponent = mpz(secrets.randbits(bits // 2))
        assert lanes.powers(bases, exponent, modulus) == [powmod(base, exponent, modulus) for base in bases]


@needed
@quick
@given(st.data())
def test_table_products_are_gmpys(data: st.DataObject) -> None:
    n = next_prime(odd(data.draw(st.sampled_from([60, 511, 1024, 1536, 2048]))))
    rows, group = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    count, planes = data.draw(st.integers(0, 17)), data.draw(st.sampled_from([1, 2, 8, 19, 137, 400]))
    square = n * n
    bases = [mpz(secrets.randbits(int(square.bit_length()))) % square for _ in range(rows * group - 1)]
    bases = [base if base % n else base + 1 for base in [*bases, square - 1]]
    factored = factor(bases, n)
    digits = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 1 << group, (count, planes, rows))
    digits = digits.astype(np.uint16)
    expected = Tables(subsets(factored, n, group), n).products(digits)
    assert lanes.LaneTables(subsets(factored, n, group), n).products(digits) == expected


@needed
def test_a_whole_key_does_the_same_in_both_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    private = keys.generate(2048)
    found = []
    for path in ("portable", "native"):
        fixed = iter(range(3, 10**6))
        monkeypatch.setattr(secrets, "randbits", lambda bits, fixed=fixed: powmod(next(fixed), 999, 1 << bits))
        monkeypatch.setattr("os.urandom", lambda count: bytes(i * 7 % 251 for i in range(count)))
        public, owner = paillier.Encryptor(private.public, 6, path), paillier.OwnerEncryptor(private, 6, path)
        found.append((public.encrypt(range(-9, 9)), owner.encrypt(range(-9, 9))))
        assert paillier.decrypt(private, found[-1][0], path) == list(range(-9, 9))
    assert found[0] == found[1]
    monkeypatch.undo()
    first, second = shares.split(private)
    opened = [first.open(found[0][0], path) for path in ("portable", "native")]
    assert opened[0] == opened[1]
    assert [second.finish(opened[0], path) for path in ("portable", "native")] == [list(range(-9, 9))] * 2


@needed
@pytest.mark.parametrize(
    "change",
    [
        {"digits": np.full((1, 1, 2), 4, np.uint16).tobytes()},
        {"digits": b""},
        {"shape": (0, 1, 2, 4, 4, 8)},
        {"shape": (1, 1, 2, 4, 3, 8)},
        {"shape": (1, 1, 2, 4, 4, 164)},
        {"shape": (2, 1, 2, 4, 4, 8)},
        {"shape": (1, 0, 2, 4, 4, 8)},
    ],
)
def test_the_kernel_refuses_buffers_and_digits_that_do_not_fit(change: dict) -> None:
    from facebench_pura import _lanes

    given = {"digits": bytes(4), "shape": (1, 1, 2, 4, 4, 8)} | change
    table = bytes(2 * 4 * 4 * 8)
    with pytest.raises(ValueError):
        _lanes.products(table, table, given["digits"], given["shape"], bytes(64), 1, bytes(64))
    with pytest.raises(ValueError):
        _lanes.powers(bytes(64), bytes(64), b"\x20", (1, 8), bytes(64), 1)
    with pytest.raises(ValueError):
        _lanes.limbs(bytes(14))


@needed
def test_a_table_is_freed_with_its_last_use(pair) -> None:
    """A row's tables are large; were they left to the cycle collector, a server's memory would creep."""
    gc.disable()
    try:
        table = lanes.LaneTables(subsets(factor(pair.enc([1, 2]), pair.public.n), pair.public.n, 1), pair.public.n)
        table.products(np.zeros((1, 20, 2), np.uint16))
        alive = weakref.ref(table)
        del table
        assert alive() is None
    finally:
        gc.enable()


def test_without_the_kernel_everything_takes_gmpy2(pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_lanes", None)
    assert not kernel.native()
    encryptor = paillier.Encryptor(pair.public, 4)
    assert encryptor.table.kernel == "portable"
    assert pair.dec(encryptor.encrypt([-7])) == [-7]
    with pytest.raises(ValueRefused, match="AVX512-IFMA"):
        paillier.Encryptor(pair.public, 4, "native")
