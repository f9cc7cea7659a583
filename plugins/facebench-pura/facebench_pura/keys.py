"""Key pairs with a fast subgroup: generation and its checks, and what a key is worth in bits of security.

P = 2 a a' + 1 and Q = 2 b b' + 1 are primes, a and b primes of l/2 bits, N = P Q, and h = -y^(2 a' b') mod N has the
order 2 a b. Encryption needs an exponent of l = 4 kappa bits instead of a power of N, as in the published code of
SOCI+. That h hides its order is a newer assumption than the decisional composite residuosity behind Paillier.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

from gmpy2 import gcd, is_prime, isqrt, mpz, powmod

from facebench_pura import randomness
from facebench_pura.refusals import KeyRefused

# |N| -> kappa: NIST SP 800-57 part 1, table 2, comparable strengths of factoring; below 1024 bits nothing is claimed.
STRENGTHS = {15360: 256, 7680: 192, 3072: 128, 2048: 112, 1024: 80}
SECURE = 112
# Sizes that are made, with l = 4 kappa; the last two only for tests, where the caller says that they are insecure.
EXPONENT_BITS = {3072: 512, 2048: 448, 1024: 320, 512: 160}
ROUNDS = 40


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Modulus n = N, its square, the base h^N mod N^2, and the length l of encryption exponents in bits."""

    n: mpz = field(repr=False)
    square: mpz = field(repr=False)
    base: mpz = field(repr=False)
    exponent_bits: int

    @classmethod
    def of(cls, n: Any, base: Any, exponent_bits: int) -> PublicKey:
        """The key of a modulus and a base."""
        return cls(mpz(n), mpz(n) ** 2, mpz(base), exponent_bits)

    @property
    def bits(self) -> int:
        """|N| in bits."""
        return int(self.n.bit_length())

    @property
    def size(self) -> int:
        """Bytes of one ciphertext."""
        return -(-2 * self.bits // 8)


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """The factors of N and of the order of h; it cannot be printed or pickled."""

    public: PublicKey
    p: mpz
    q: mpz
    a: mpz
    b: mpz

    def __repr__(self) -> str:
        """Only its size."""
        return f"<private key of {self.public.bits} bits>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For printers that walk through the fields of a dataclass."""
        printer.text(repr(self))

    @property
    def alpha(self) -> mpz:
        """a b, half the order of h."""
        return self.a * self.b

    def __reduce__(self) -> NoReturn:
        """Raises TypeError: a key does not leave its process."""
        raise TypeError("a private key is not pickled")


def generate(bits: int, insecure: bool = False) -> PrivateKey:
    """A key pair of ``bits`` bits: 2048 (112-bit security) or 3072 (128-bit security).

    ``insecure``: also 512 and 1024, for tests; ``strength`` of such a key stays below 112. Raises KeyRefused.
    """
    allowed = [size for size in EXPONENT_BITS if insecure or strength(size) >= SECURE]
    if bits not in allowed:
        raise KeyRefused(
            f"A key of {bits} bits was asked for.",
            f"Sizes made here: {', '.join(map(str, allowed))}.",
            "Take 2048 (112-bit security) or 3072 (128-bit security).",
        )
    length = EXPONENT_BITS[bits]
    while True:
        a, b = _prime(length // 2), _prime(length // 2)
        p, a_rest = _factor(bits, a, mpz(1))
        q, b_rest = _factor(bits, b, a * a_rest)
        if sound(p, q, a, b):
            break
    n = p * q
    while True:
        h = -powmod(randomness.unit(n), 2 * a_rest * b_rest, n) % n
        if all(powmod(h, 2, prime) != 1 for prime in (p, q)):
            return PrivateKey(PublicKey.of(n, powmod(h, n, n * n), length), p, q, a, b)


def sound(p: mpz, q: mpz, a: mpz, b: mpz) -> bool:
    """Whether the factors meet every condition that the scheme's proofs use.

    a | P-1 and b | Q-1; a, b and the odd cofactors a', b' pairwise coprime; N coprime to (P-1)(Q-1); P and Q of one
    length and far apart (FIPS 186-5, A.1.3: more than 2^(|N|/2 - 100)), all four primes.
    """
    if (p - 1) % (2 * a) or (q - 1) % (2 * b):
        return False
    parts = [a, b, (p - 1) // (2 * a), (q - 1) // (2 * b)]
    coprime = all(gcd(x, y) == 1 for i, x in enumerate(parts) for y in parts[:i])
    half = p.bit_length()
    return bool(
        coprime
        and all(part % 2 for part in parts)
        and all(is_prime(prime, ROUNDS) for prime in (p, q, a, b))
        and gcd(p * q, (p - 1) * (q - 1)) == 1
        and q.bit_length() == half
        and (p * q).bit_length() == 2 * half
        and abs(p - q).bit_length() > half - 100
    )


def strength(modulus_bits: int) -> int:
    """Bits of security of a modulus of that length; 0 below 1024 bits, where none is claimed."""
    return next((kappa for size, kappa in STRENGTHS.items() if modulus_bits >= size), 0)


def security_bits(public: PublicKey) -> int:
    """The weaker of factoring N and of a collision among subgroup exponents (2^(l/4) steps), read from the key."""
    return min(strength(public.bits), public.exponent_bits // 4)


def _prime(bits: int) -> mpz:
    while not is_prime(drawn := randomness.bits(bits) | (mpz(1) << (bits - 1)) | 1, ROUNDS):
        pass
    return drawn


def _factor(bits: int, a: mpz, avoid: mpz) -> tuple[mpz, mpz]:
    """A prime 2 a c + 1 of bits/2 bits and its odd cofactor c, coprime to ``a`` and to ``avoid``.

    It is at least 2^((bits-1)/2), so that a product of two has exactly ``bits`` bits.
    """
    low, high = isqrt(mpz(1) << (bits - 1)) // (2 * a) + 1, (mpz(1) << (bits // 2)) // (2 * a)
    while True:
        rest = (low + randomness.below(high - low)) | 1
        prime = 2 * a * rest + 1
        if gcd(rest, a * avoid) == 1 and prime.bit_length() == bits // 2 and is_prime(prime, ROUNDS):
            return prime, rest
