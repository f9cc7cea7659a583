"""Two shares decrypt together; the published split does not keep the second server out."""

from __future__ import annotations

import pickle

import pytest
from facebench_pura import keys, paillier, shares
from facebench_pura.refusals import KeyRefused
from facebench_pura.shares import Share
from gmpy2 import invert, mpz, powmod

VALUES = [0, 1, -1, 255, -(10**40), 10**40]


@pytest.mark.parametrize("way", shares.SPLITS)
@pytest.mark.parametrize("opening", [0, 1])
def test_two_shares_decrypt_whoever_opens(private: keys.PrivateKey, pair, way: str, opening: int) -> None:
    both = shares.split(private, way)
    assert both[1 - opening].finish(both[opening].open(pair.enc(VALUES))) == VALUES


def test_shares_of_two_splits_do_not_decrypt(private: keys.PrivateKey, pair) -> None:
    first, other = shares.split(private)[0], shares.split(private)[1]
    assert other.finish(first.open(pair.enc([5]))) != [5]


def test_an_unknown_split_is_refused(private: keys.PrivateKey) -> None:
    with pytest.raises(KeyRefused, match="default, published"):
        shares.split(private, "half")


def test_the_default_first_share_has_more_than_twice_the_security_in_bits_and_passes(private: keys.PrivateKey) -> None:
    first, second = shares.split(private)
    assert first.first_bits == private.public.exponent_bits + 131
    assert shares.security_bits(first) == shares.security_bits(second) == first.first_bits // 2 >= 128


def test_the_published_share_fails_the_security_check_by_design(private: keys.PrivateKey) -> None:
    first, second = shares.split(private, "published")
    assert first.exponent.bit_length() == 128
    assert shares.security_bits(first) == shares.security_bits(second) == 0 < keys.SECURE


@pytest.mark.parametrize("bits", [512, 2048])
def test_the_second_server_reads_the_published_first_share_off_its_own(bits: int) -> None:
    private = keys.generate(bits, insecure=True)
    first, second = shares.split(private, "published")
    assert shares.first_from_second(second) == first.exponent
    # … and with it decrypts alone.
    (secret,) = paillier.OwnerEncryptor(private, 4).encrypt([1234])
    stolen = Share(private.public, shares.first_from_second(second), True, 128)
    assert second.finish(stolen.open([secret])) == [1234]


def test_the_second_server_cannot_read_the_default_first_share_off_its_own(private: keys.PrivateKey) -> None:
    first, second = shares.split(private)
    assert shares.first_from_second(second) != first.exponent
    assert (1 - (1 + second.exponent * private.public.n)) % private.public.n == 0, "nothing but 0 modulo N follows"


def test_a_short_share_is_found_by_steps_in_the_root_of_its_range(private: keys.PrivateKey, pair) -> None:
    """Server 2 opens its own encryption of 0 and searches for the first share: why that is made so long."""
    bits, public = 16, private.public
    whole = sum(share.exponent for share in shares.split(private))
    first = mpz(0xBEEF)
    second = whole - first
    (zero,) = pair.enc([0])
    lifted = powmod(zero, public.n, public.square)
    target = invert(zero * powmod(lifted, second, public.square), public.square)  # lifted^first, as 0 decrypts to 1
    small = {powmod(lifted, step, public.square): step for step in range(1 << (bits // 2))}
    stride = invert(powmod(lifted, 1 << (bits // 2), public.square), public.square)
    found = next(
        large * (1 << (bits // 2)) + small[reached]
        for large in range(1 << (bits // 2))
        if (reached := target * powmod(stride, large, public.square) % public.square) in small
    )
    assert found == first


def test_a_share_does_not_show_and_is_not_pickled(private: keys.PrivateKey) -> None:
    for share in shares.split(private):
        assert str(share.exponent) not in repr(share) and f"{share.exponent:x}" not in repr(share)
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(share)
