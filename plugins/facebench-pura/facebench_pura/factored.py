"""Residues modulo N^2 as r (1 + k N): half as long a factor, and an addition in place of the rest.

(r (1 + k N)) (s (1 + j N)) = r s (1 + (k + j) N) mod N^2. A product of many table entries therefore needs one
multiplication of an N^2-sized accumulator by an N-sized r each, half the work of a full product, and one final step
in which (1 + k N) is joined with the plaintext's (1 + m N).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import f_divmod, invert, mpz


@dataclass(frozen=True, slots=True)
class Factored:
    """r (1 + k N) modulo N^2; ``inverse`` is 1/r mod N, which products need."""

    r: mpz
    inverse: mpz
    k: mpz

    def times(self, other: Factored, n: mpz) -> Factored:
        """The product, again factored."""
        carry, r = f_divmod(self.r * other.r, n)
        inverse = self.inverse * other.inverse % n
        return Factored(r, inverse, (self.k + other.k + carry * inverse) % n)


ONE = Factored(mpz(1), mpz(1), mpz(0))


def factor(values: Sequence[mpz], n: mpz) -> list[Factored]:
    """Factor invertible residues modulo N^2, with one inversion for all (Montgomery's trick)."""
    halves = [f_divmod(value, n) for value in values]
    running, products = mpz(1), []
    for _, r in halves:
        products.append(running)
        running = running * r % n
    left = invert(running, n)
    found = []
    for (high, r), before in zip(reversed(halves), reversed(products), strict=True):
        inverse = left * before % n
        left = left * r % n
        found.append(Factored(r, inverse, high * inverse % n))
    return found[::-1]


def joined(product: mpz, k: mpz, n: mpz) -> mpz:
    """product (1 + k N) mod N^2 for a product below N^2, without a division by N^2."""
    high, low = f_divmod(product, n)
    return low + n * ((high + k * low) % n)
