"""Paillier of LightPHE, on Python's integers: each feature a ciphertext, scores as products of powers of them.

LightPHE draws primes and randomness with Python's ``random``, which can be predicted. Here both are drawn from the
operating system and handed to LightPHE, which does the arithmetic.
"""

from __future__ import annotations

import importlib.metadata
import math
import secrets
from collections.abc import Sequence
from typing import Any

import bench

# NIST SP 800-57 part 1, table 2: bits of the modulus, bits of security.
SECURITY = ((3072, 128), (2048, 112), (1024, 80))


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The one method."""
    return [
        bench.Method(
            name="lightphe",
            tasks=frozenset({"encryption"}),
            inputs=frozenset({"int8"}),
            load=load,
            about="Paillier of LightPHE, with randomness of the operating system",
            licence="Apache-2.0; LightPHE is MIT",
            cite="Paillier 1999; github.com/serengil/LightPHE",
            needs=("lightphe", "sympy"),
        )
    ]


def load(given: bench.Load) -> LightMatcher:
    """The matcher."""
    return LightMatcher()


class LightMatcher:
    """The public key, a ciphertext a feature, and a gallery in the clear; all else is not offered."""

    def __init__(self) -> None:
        self._made: Any = None
        self._rows: list[list[int]] = []

    def keygen(self, bits: int, division: str, gallery: str) -> None:
        """A new pair of keys, of primes that are drawn here."""
        from lightphe.cryptosystems.Paillier import Paillier

        if division != "public" or gallery != "plaintext":
            raise NotImplementedError("it encrypts a feature a ciphertext and matches against a plaintext gallery")
        self.close()
        p, q = _prime(bits // 2), _prime(bits - bits // 2)
        while p == q:
            q = _prime(bits - bits // 2)
        n = p * q
        keys = {"public_key": {"g": n + 1, "n": n}, "private_key": {"phi": (p - 1) * (q - 1)}}
        self._made = Paillier(keys=keys)

    def precompute(self, pooled: int) -> None:
        """Nothing: LightPHE has no tables."""

    def enrol(self, rows: Any) -> None:
        """Keep the rows."""
        self._rows = rows.tolist()

    def encrypt(self, probe: Any) -> list[int]:
        """One ciphertext a feature."""
        key = self._key
        return [key.encrypt(value, _unit(key.plaintext_modulo)) for value in probe.tolist()]

    def match(self, probe: list[int]) -> list[int]:
        """The inner product with each row."""
        return [self._product(probe, row) for row in self._rows]

    def _product(self, probe: list[int], row: list[int]) -> int:
        key, total = self._key, 1
        for feature, value in zip(probe, row, strict=True):
            total = key.add(total, key.multiply_by_constant(feature, value))
        return total

    def pack(self, scores: list[int]) -> list[int]:
        """The scores as they are."""
        return scores

    def answer(self, probe: list[int]) -> int | None:
        """Not offered: there is no encrypted gallery."""
        raise NotImplementedError("LightPHE has no encrypted gallery")

    def decrypt(self, encrypted: list[int]) -> list[int]:
        """The values, signed."""
        n = self._key.plaintext_modulo
        opened = (self._key.decrypt(value) for value in encrypted)
        return [value - n if value > n // 2 else value for value in opened]

    def serialise(self, encrypted: list[int]) -> bytes:
        """Ciphertexts of one length, below the square of the modulus."""
        size = self._size
        return b"".join(value.to_bytes(size, "big") for value in encrypted)

    def deserialise(self, data: bytes) -> list[int]:
        """The ciphertexts of ``serialise``; raises FacebenchError for other bytes."""
        size, most = self._size, self._key.ciphertext_modulo
        read = [int.from_bytes(data[start : start + size], "big") for start in range(0, len(data), size)]
        if len(data) % size or any(not 0 < value < most for value in read):
            raise bench.FacebenchError("Ciphertexts were read.", "They are damaged, or of another key.")
        return read

    def processes(self) -> Sequence[int]:
        """None beside the worker."""
        return ()

    def security(self) -> int:
        """By the length of the live key's modulus."""
        length = self._key.plaintext_modulo.bit_length()
        return next((security for bits, security in SECURITY if length >= bits), 0)

    def about(self) -> str:
        """LightPHE's version."""
        return f"LightPHE {importlib.metadata.version('lightphe')}, Paillier on Python's integers"

    def close(self) -> None:
        """Forget the keys."""
        self._made, self._rows = None, []

    @property
    def _size(self) -> int:
        return -(-self._key.ciphertext_modulo.bit_length() // 8)

    @property
    def _key(self) -> Any:
        if self._made is None:
            raise bench.FacebenchError("A stage was called.", "There is no key.", "First: keygen.")
        return self._made


def _prime(bits: int) -> int:
    """A prime of this length whose two highest bits are set, so that a product of two is twice as long."""
    import sympy

    while True:
        drawn = secrets.randbits(bits) | 3 << bits - 2 | 1
        if sympy.isprime(drawn):
            return drawn


def _unit(n: int) -> int:
    while True:
        drawn = secrets.randbelow(n)
        if math.gcd(drawn, n) == 1:
            return drawn
