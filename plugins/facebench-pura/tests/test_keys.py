"""Keys meet every condition of the scheme, say what they are worth, and do not show themselves."""

from __future__ import annotations

import pickle

import pytest
from facebench_pura import keys
from facebench_pura.refusals import KeyRefused
from gmpy2 import gcd, is_prime, powmod


@pytest.mark.parametrize("bits", [512, 1024])
def test_a_key_meets_every_condition(bits: int) -> None:
    private = keys.generate(bits, insecure=True)
    p, q, a, b, n = private.p, private.q, private.a, private.b, private.public.n
    rests = ((p - 1) // (2 * a), (q - 1) // (2 * b))
    assert n == p * q and n.bit_length() == bits
    assert a.bit_length() == b.bit_length() == private.public.exponent_bits // 2
    parts = [a, b, *rests]
    assert all(is_prime(x) for x in (p, q, a, b)) and all(x % 2 for x in parts)
    assert all(gcd(x, y) == 1 for i, x in enumerate(parts) for y in parts[:i])
    assert gcd(n, (p - 1) * (q - 1)) == 1


def test_the_base_is_an_nth_power_and_has_exactly_the_hidden_order(private: keys.PrivateKey) -> None:
    public, order = private.public, 2 * private.alpha
    assert powmod(public.base, order, public.square) == 1
    for part in (2, private.a, private.b):
        assert powmod(public.base, order // part, public.square) != 1


def test_factors_that_break_a_condition_are_not_sound(private: keys.PrivateKey) -> None:
    p, q, a, b = private.p, private.q, private.a, private.b
    assert keys.sound(p, q, a, b)
    assert not keys.sound(p, p, a, a), "equal primes"
    assert not keys.sound(p, q, b, a), "orders swapped"
    assert not keys.sound(p + 2 * a, q, a, b), "no prime"
    assert not keys.sound(p, q, a * ((p - 1) // (2 * a)), b), "an order that is no prime"


def test_cofactors_that_share_a_factor_are_not_sound() -> None:
    assert not keys.sound(31, 43, 5, 7), "2 * 5 * 3 + 1 and 2 * 7 * 3 + 1 share the cofactor 3"


def test_a_modulus_that_shares_a_factor_with_its_order_is_not_sound() -> None:
    assert not keys.sound(7, 43, 3, 3), "7 divides 42"


def test_small_keys_are_made_for_tests_only_and_claim_no_security(private: keys.PrivateKey) -> None:
    with pytest.raises(KeyRefused, match="3072, 2048"):
        keys.generate(512)
    with pytest.raises(KeyRefused):
        keys.generate(1024)
    assert keys.security_bits(private.public) == 0


def test_strength_is_what_the_standard_says() -> None:
    assert [keys.strength(bits) for bits in (1023, 1024, 2047, 2048, 3071, 3072, 8000)] == [
        0,
        80,
        80,
        112,
        112,
        128,
        192,
    ]


def test_a_short_exponent_lowers_what_a_key_is_worth(private: keys.PrivateKey) -> None:
    long = keys.PublicKey.of((1 << 2048) - 1, 3, 448)
    short = keys.PublicKey.of((1 << 2048) - 1, 3, 256)
    assert (keys.security_bits(long), keys.security_bits(short)) == (112, 64)


def test_a_key_does_not_show_and_is_not_pickled(private: keys.PrivateKey) -> None:
    shown = repr(private)
    for secret in (private.p, private.q, private.a, private.b, private.public.n):
        assert str(secret) not in shown and f"{secret:x}" not in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(private)
