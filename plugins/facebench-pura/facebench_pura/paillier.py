"""Encryption under a fast-subgroup Paillier key, decryption by the key owner, and the homomorphic laws.

A ciphertext is c = (1 + m N) (h^N)^r mod N^2 with r of l bits, an ``mpz`` in (0, N^2). Plaintexts are signed: m in
(-N/2, N/2). Laws: c d encrypts m + n, c^k encrypts k m, 1/c encrypts -m.
"""

from __future__ import annotations

from collections.abc import Sequence

from gmpy2 import f_divmod, invert, mpz, powmod

from facebench_pura import kernel as kernels
from facebench_pura import randomness
from facebench_pura.factored import factor, joined
from facebench_pura.keys import PrivateKey, PublicKey
from facebench_pura.refusals import ValueRefused
from facebench_pura.tables import digits_of, powers

WINDOW = 12


class Encryptor:
    """Encryption with the public key: a fixed-base table of (h^N)^(e 2^(window j)).

    ``kernel``: "auto", "portable" or "native", see ``kernel``.
    """

    def __init__(self, public: PublicKey, window: int = WINDOW, kernel: str = "auto") -> None:
        self.public, self.window, self.kernel = public, window, kernel
        rows = -(-public.exponent_bits // window)
        (base,) = factor([public.base], public.n)
        self.table = kernels.tables(powers(base, public.n, window, rows), public.n, kernel)

    def encrypt(self, values: Sequence[int]) -> list[mpz]:
        """A fresh ciphertext of each value; values in (-N/2, N/2)."""
        n = self.public.n
        _within(values, n)
        digits = randomness.digits(len(values), self.window, self.public.exponent_bits)
        drawn = self.table.products(digits[:, None, :])
        return [joined(product, k + value, n) for (product, k), value in zip(drawn, values, strict=True)]

    @property
    def tables(self) -> tuple[kernels.AnyTables, ...]:
        """Its tables: one."""
        return (self.table,)

    def randomness(self, count: int) -> Pool:
        """A pool of ``count`` values (h^N)^r, each for one encryption."""
        return Pool(self.public, self.encrypt([0] * count))


class Pool:
    """Randomness made before its plaintexts are known; its cost belongs to encryption and is printed beside it."""

    def __init__(self, public: PublicKey, values: Sequence[mpz]) -> None:
        self.public = public
        self._halves = [f_divmod(value, public.n) for value in values]

    def __len__(self) -> int:
        """How many encryptions are left."""
        return len(self._halves)

    def encrypt(self, values: Sequence[int]) -> list[mpz]:
        """A ciphertext of each value; raises ValueRefused, and uses nothing, where too few are left."""
        n = self.public.n
        _within(values, n)
        if len(values) > len(self._halves):
            raise ValueRefused(
                f"{len(values)} encryptions were asked for.", f"The pool has {len(self._halves)} left.", "Make more."
            )
        used, self._halves = self._halves[: len(values)], self._halves[len(values) :]
        return [low + n * ((high + value * low) % n) for (high, low), value in zip(used, values, strict=True)]


class OwnerEncryptor:
    """Encryption by whoever knows P and Q: half-length exponents modulo P^2 and Q^2, joined by Chinese remainders.

    One exponent of l bits is drawn and reduced modulo 2a and 2b, so ciphertexts are distributed as the public key's;
    two independent draws would show in the Jacobi symbol.
    """

    def __init__(self, private: PrivateKey, window: int = WINDOW, kernel: str = "auto") -> None:
        self.public, self.window, self.kernel = private.public, window, kernel
        self.halves = []
        for prime, order, other in (
            (private.p, 2 * private.a, private.q),
            (private.q, 2 * private.b, private.p),
        ):
            (base,) = factor([private.public.base % prime**2], prime)
            rows = -(-int(order.bit_length()) // window)
            table = kernels.tables(powers(base, prime, window, rows), prime, kernel)
            self.halves.append((prime, order, other, rows, table))
        self.modulus, self.step = private.p**2, invert(private.p**2, private.q**2)

    @property
    def tables(self) -> tuple[kernels.AnyTables, ...]:
        """Its tables: modulo P^2 and modulo Q^2."""
        return tuple(half[-1] for half in self.halves)

    def encrypt(self, values: Sequence[int]) -> list[mpz]:
        """A fresh ciphertext of each value; values in (-N/2, N/2)."""
        _within(values, self.public.n)
        exponents = [randomness.bits(self.public.exponent_bits) for _ in values]
        parts = []
        for prime, order, other, rows, table in self.halves:
            digits = digits_of([exponent % order for exponent in exponents], self.window, rows)
            drawn = table.products(digits[:, None, :])
            # 1 + m N = 1 + (m Q) P modulo P^2
            parts.append([joined(x, k + value * other, prime) for (x, k), value in zip(drawn, values, strict=True)])
        square = self.halves[1][0] ** 2
        return [p + self.modulus * ((q - p) * self.step % square) for p, q in zip(*parts, strict=True)]


def decrypt(private: PrivateKey, ciphertexts: Sequence[mpz], kernel: str = "auto") -> list[mpz]:
    """Plaintexts in (-N/2, N/2), by powers 2a modulo P^2 and 2b modulo Q^2."""
    n, p, q = private.public.n, private.p, private.q
    halves = []
    for prime, exponent in ((p, 2 * private.a), (q, 2 * private.b)):
        square = prime**2
        unit = invert((powmod(1 + n, exponent, square) - 1) // prime, prime)
        raised = kernels.powers([c % square for c in ciphertexts], exponent, square, kernel)
        halves.append([(power - 1) // prime * unit % prime for power in raised])
    step = invert(p, q)
    plain = [first + p * ((second - first) * step % q) for first, second in zip(*halves, strict=True)]
    return [value - n if value > n // 2 else value for value in plain]


def add(public: PublicKey, first: mpz, *others: mpz) -> mpz:
    """The ciphertext of a sum."""
    for other in others:
        first = first * other % public.square
    return first


def negate(public: PublicKey, ciphertext: mpz) -> mpz:
    """The ciphertext of -m."""
    return invert(ciphertext, public.square)


def scale(public: PublicKey, ciphertext: mpz, times: int) -> mpz:
    """The ciphertext of k m for a plain k of either sign."""
    return powmod(ciphertext, times, public.square)


def shift(public: PublicKey, ciphertext: mpz, value: int) -> mpz:
    """The ciphertext of m + value for a plain value, without new randomness."""
    return joined(ciphertext, mpz(value), public.n)


def _within(values: Sequence[int], n: mpz) -> None:
    if any(not -n < 2 * value < n for value in values):
        raise ValueRefused("Values were to be encrypted.", "One lies outside (-N/2, N/2).", "Scale them down.")
