"""The (2,2)-threshold split of a key: two shares, of which neither decrypts, and the two halves of a decryption.

Any d with d = 0 mod 2 alpha and d = 1 mod N decrypts: c^d = 1 + m N mod N^2. Every such d is 1 + j N with
j = -1/N mod 2 alpha. The two ways of splitting it:

``default``
    The second server's exponent is 1 + u N and the first's is t N, where t + u = j mod 2 alpha and each of t, u is
    random with l + 131 bits, so either alone is within 2^-128 of independent of the key. The opening side computes
    w = c^N and sends (c w^t, w); the other side multiplies w^u to it. One |N|-bit power in all.
``published``
    sk1 has 128 bits and sk2 = d - sk1 over the integers, as in the published code of the family (SOCI, SOCI+). It is
    here to be measured and to fail the security check: N is public and d = 1 mod N, so whoever holds sk2 computes
    sk1 = (1 - sk2) mod N at once, for every sk1 below N; ``first_from_second`` does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from gmpy2 import invert, mpz

from facebench_pura import randomness
from facebench_pura.kernel import powers
from facebench_pura.keys import PrivateKey, PublicKey
from facebench_pura.refusals import KeyRefused

SPLITS = ("default", "published")
SLACK = 130
PUBLISHED_BITS = 128

Opened = tuple[mpz, mpz]


@dataclass(frozen=True, slots=True, repr=False)
class Share:
    """One server's half of the key; it cannot be printed or pickled.

    ``exponent``: of c^N in the default split, of c in the published one; ``first_bits``: length of the first server's.
    """

    public: PublicKey
    exponent: mpz
    published: bool
    first_bits: int

    def __repr__(self) -> str:
        """Only its size."""
        return f"<share of a key of {self.public.bits} bits>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For printers that walk through the fields of a dataclass."""
        printer.text(repr(self))

    def __reduce__(self) -> NoReturn:
        """Raises TypeError: a share does not leave its process."""
        raise TypeError("a share is not pickled")

    def open(self, ciphertexts: Sequence[mpz], kernel: str = "auto") -> list[Opened]:
        """The opening half of a decryption, for the other server; the global interpreter lock is released."""
        public = self.public
        if self.published:
            raised = powers(ciphertexts, self.exponent, public.square, kernel)
            return list(zip(raised, ciphertexts, strict=True))
        lifted = powers(ciphertexts, public.n, public.square, kernel)
        raised = powers(lifted, self.exponent, public.square, kernel)
        masked = [c * power % public.square for c, power in zip(ciphertexts, raised, strict=True)]
        return list(zip(masked, lifted, strict=True))

    def finish(self, opened: Sequence[Opened], kernel: str = "auto") -> list[mpz]:
        """The other half: plaintexts in (-N/2, N/2), wrong ones where the two shares are not of one key."""
        n, square = self.public.n, self.public.square
        raised = powers([w for _, w in opened], self.exponent, square, kernel)
        plain = [(first * power % square - 1) // n for (first, _), power in zip(opened, raised, strict=True)]
        return [value - n if value > n // 2 else value for value in plain]


def split(private: PrivateKey, way: str = "default") -> tuple[Share, Share]:
    """The shares of the first and of the second server; raises KeyRefused for an unknown way."""
    if way not in SPLITS:
        raise KeyRefused(f"A key was to be split by {way!r}.", f"Ways: {', '.join(SPLITS)}.", "Take 'default'.")
    public, order = private.public, 2 * private.alpha
    if way == "published":
        first = randomness.bits(PUBLISHED_BITS - 1) | (mpz(1) << (PUBLISHED_BITS - 1))
        second = order * invert(order, public.n) - first
    else:
        length = public.exponent_bits + 1 + SLACK
        first = randomness.bits(length)
        lift = (mpz(1) << (length + 1)) // order + 1
        second = -invert(public.n, order) % order + lift * order - first
    bits = PUBLISHED_BITS if way == "published" else length
    return tuple(Share(public, value, way == "published", bits) for value in (first, second))  # type: ignore[return-value]


def security_bits(share: Share) -> int:
    """What the first share is worth against a curious second server, read from the live share.

    Half its length against Pollard's kangaroo; of a published share only the bits above |N| count, since its residue
    modulo N follows from the second share and the public key.
    """
    known = share.public.bits if share.published else 0
    return max(0, share.first_bits - known) // 2


def first_from_second(second: Share) -> mpz:
    """The attack on the published split: the first share from the second server's share and the public key."""
    return (1 - second.exponent) % second.public.n
