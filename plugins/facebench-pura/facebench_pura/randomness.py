"""Randomness for keys, masks and encryption: the operating system's generator and nothing else.

``secrets.randbelow`` draws bits until they fall below the bound, so every value is equally likely (rejection sampling).
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Any

from gmpy2 import gcd, mpz

if TYPE_CHECKING:
    from numpy import uint16
    from numpy.typing import NDArray


def bits(count: int) -> mpz:
    """Uniform in [0, 2^count)."""
    return mpz(secrets.randbits(count))


def below(bound: Any) -> mpz:
    """Uniform in [0, bound)."""
    return mpz(secrets.randbelow(int(bound)))


def coin() -> bool:
    """True or False, equally likely."""
    return bool(secrets.randbits(1))


def unit(modulus: mpz) -> mpz:
    """Uniform among the invertible residues of a modulus."""
    while gcd(drawn := below(modulus), modulus) != 1:
        pass
    return drawn


def log_uniform(low: int, spread: int) -> mpz:
    """An integer in [2^low, 2^(low + spread)), with a probability in proportion to 1/value.

    Its logarithm is uniform up to the rounding to integers: first the octave, then within it by rejection.
    """
    octave = low + int(below(spread))
    while True:
        drawn = (mpz(1) << octave) + bits(octave)
        if below(drawn) < mpz(1) << octave:
            return drawn


def digits(count: int, width: int, length: int) -> NDArray[uint16]:
    """``count`` uniform exponents of ``length`` bits as digits of ``width`` bits (at most 16), lowest first.

    Returns uint16 [count, ceil(length / width)].
    """
    import numpy as np

    rows = -(-length // width)
    drawn = np.frombuffer(os.urandom(2 * count * rows), np.uint16).reshape(count, rows)
    drawn = drawn & np.uint16((1 << width) - 1)
    drawn[:, -1] &= np.uint16((1 << (length - width * (rows - 1))) - 1)
    return drawn
