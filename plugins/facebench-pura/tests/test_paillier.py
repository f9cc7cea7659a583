"""Ciphertexts are Paillier's, under every way of encrypting, and obey its laws."""

from __future__ import annotations

import pytest
from facebench_pura import paillier, randomness
from facebench_pura.keys import PrivateKey, PublicKey
from facebench_pura.paillier import Encryptor, OwnerEncryptor
from facebench_pura.refusals import ValueRefused
from facebench_pura.tables import digits_of
from gmpy2 import jacobi, lcm, mpz, powmod
from hypothesis import given, settings
from hypothesis import strategies as st

quick = settings(deadline=None, max_examples=50)

small = st.integers(-(2**60), 2**60)


def textbook(private: PrivateKey, ciphertext: mpz) -> int:
    """Paillier's own decryption, with Carmichael's function and no shortcut."""
    n = private.public.n
    power = lcm(private.p - 1, private.q - 1)
    value = (powmod(ciphertext, power, n * n) - 1) // n * powmod(power, -1, n) % n
    return int(value - n if value > n // 2 else value)


def edges(private: PrivateKey) -> list[int]:
    half = int(private.public.n // 2)
    return [0, 1, -1, half, -half, 127, -128]


@pytest.mark.parametrize("way", ["public", "owner", "pool"])
def test_every_way_of_encrypting_decrypts_by_the_textbook(private: PrivateKey, pair, way: str) -> None:
    values = edges(private)
    encryptor = {
        "public": pair.encryptor,
        "owner": OwnerEncryptor(private, 4),
        "pool": pair.encryptor.randomness(len(values)),
    }[way]
    ciphertexts = encryptor.encrypt(values)
    assert [textbook(private, c) for c in ciphertexts] == values == pair.dec(ciphertexts)


def test_a_known_exponent_gives_a_known_ciphertext(private: PrivateKey, pair, monkeypatch: pytest.MonkeyPatch) -> None:
    public, exponent = private.public, 0x1234567890ABCDEF << 64 | 7
    rows = -(-public.exponent_bits // pair.encryptor.window)
    fixed = digits_of([exponent], pair.encryptor.window, rows)
    monkeypatch.setattr(randomness, "digits", lambda *_: fixed)
    monkeypatch.setattr(randomness, "bits", lambda _: mpz(exponent))
    expected = (1 + 42 * public.n) * powmod(public.base, exponent, public.square) % public.square
    assert pair.enc([42]) == [expected] == OwnerEncryptor(private, 4).encrypt([42])


def test_a_known_key_gives_known_ciphertexts(monkeypatch: pytest.MonkeyPatch) -> None:
    """P = 71, Q = 199, y = 2, computed by Python's integers: -2^126 mod N to the N, then (1 + 14129 m) base^r."""
    private = PrivateKey(PublicKey.of(14129, 104935745, 7), mpz(71), mpz(199), mpz(5), mpz(11))
    values, exponents, known = [42, -1, 0], [3, 14, 0], [69090895, 46466614, 1]
    drawn = iter(exponents)
    monkeypatch.setattr(randomness, "digits", lambda *_: digits_of(exponents, 2, 4))
    monkeypatch.setattr(randomness, "bits", lambda _: mpz(next(drawn)))
    assert Encryptor(private.public, 2).encrypt(values) == known
    assert OwnerEncryptor(private, 2).encrypt(values) == known
    assert paillier.decrypt(private, [mpz(c) for c in known]) == values


def test_python_paillier_decrypts_what_is_encrypted_here(private: PrivateKey, pair) -> None:
    phe = pytest.importorskip("phe.paillier", reason="pip install phe")
    public = phe.PaillierPublicKey(int(private.public.n))
    theirs = phe.PaillierPrivateKey(public, int(private.p), int(private.q))
    assert theirs.raw_decrypt(int(pair.enc([99])[0])) == 99


@quick
@given(small, small, st.integers(-1000, 1000))
def test_the_homomorphic_laws_hold(pair, x: int, y: int, k: int) -> None:
    cx, cy = pair.enc([x, y])
    found = pair.dec(
        [
            paillier.add(pair.public, cx, cy),
            paillier.scale(pair.public, cx, k),
            paillier.negate(pair.public, cx),
            paillier.shift(pair.public, cx, k),
        ]
    )
    assert found == [x + y, k * x, -x, x + k]


def test_two_encryptions_of_one_value_differ(private: PrivateKey, pair) -> None:
    for encryptor in (pair.encryptor, OwnerEncryptor(private, 4), pair.encryptor.randomness(50)):
        assert len(set(encryptor.encrypt([5] * 50))) == 50


def test_the_owners_ciphertexts_do_not_differ_in_the_jacobi_symbol(private: PrivateKey, pair) -> None:
    n = private.public.n
    for encryptor in (pair.encryptor, OwnerEncryptor(private, 4)):
        symbols = [jacobi(c % n, n) for c in encryptor.encrypt([0] * 64)]
        assert set(symbols) == {jacobi(private.public.base % n, n) ** 2}, "h is a square times -1, its symbol is 1"


def test_a_pool_is_used_once(pair) -> None:
    pool = pair.encryptor.randomness(3)
    pool.encrypt([1, 2])
    with pytest.raises(ValueRefused, match="1 left"):
        pool.encrypt([1, 2])
    assert len(pool) == 1


def test_values_outside_of_the_plaintexts_are_refused_without_being_named(private: PrivateKey, pair) -> None:
    value = int(private.public.n // 2) + 1
    with pytest.raises(ValueRefused) as refusal:
        pair.enc([0, value])
    assert str(value) not in str(refusal.value)


def test_windows_of_any_width_encrypt(private: PrivateKey, pair) -> None:
    for window in (1, 3, 8):
        assert pair.dec(Encryptor(private.public, window).encrypt([-3])) == [-3]
