"""python-paillier (phe) as it comes: each feature a ciphertext, scores as sums of ciphertexts times numbers."""

from __future__ import annotations

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
            name="phe",
            tasks=frozenset({"encryption"}),
            inputs=frozenset({"int8"}),
            load=load,
            about="python-paillier on gmpy2: the reference of encrypted matching",
            licence="Apache-2.0; phe itself is GPL-3.0",
            cite="CSIRO's Data61, python-paillier, github.com/data61/python-paillier",
            needs=("phe", "gmpy2"),
        )
    ]


def load(given: bench.Load) -> PheMatcher:
    """The matcher; raises FacebenchError where phe does not use gmpy2, as its figures would be no reference."""
    from phe import util

    if not util.HAVE_GMP:
        raise bench.FacebenchError(
            "phe was loaded.", "It does not use gmpy2, so its times would be no reference.", "pip install gmpy2"
        )
    return PheMatcher()


class PheMatcher:
    """Paillier with the public key, a ciphertext a feature, and a gallery in the clear; all else is not offered."""

    def __init__(self) -> None:
        self._public: Any = None
        self._private: Any = None
        self._rows: list[list[int]] = []

    def keygen(self, bits: int, division: str, gallery: str) -> None:
        """A new pair of keys."""
        from phe import paillier

        if division != "public" or gallery != "plaintext":
            raise NotImplementedError("phe encrypts a feature a ciphertext and matches against a plaintext gallery")
        self.close()
        self._public, self._private = paillier.generate_paillier_keypair(n_length=bits)

    def precompute(self, pooled: int) -> None:
        """Nothing: phe has no tables."""

    def enrol(self, rows: Any) -> None:
        """Keep the rows."""
        self._rows = rows.tolist()

    def encrypt(self, probe: Any) -> list[Any]:
        """One ciphertext a feature."""
        return [self._public.encrypt(value) for value in probe.tolist()]

    def match(self, probe: list[Any]) -> list[Any]:
        """The inner product with each row."""
        return [sum(feature * value for feature, value in zip(probe, row, strict=True)) for row in self._rows]

    def pack(self, scores: list[Any]) -> list[Any]:
        """The scores as they are."""
        return scores

    def answer(self, probe: list[Any]) -> int | None:
        """Not offered: there is no encrypted gallery."""
        raise NotImplementedError("phe has no encrypted gallery")

    def decrypt(self, encrypted: list[Any]) -> list[int]:
        """The values, signed."""
        return [self._private.decrypt(value) for value in encrypted]

    def serialise(self, encrypted: list[Any]) -> bytes:
        """Ciphertexts of one length, below the square of the modulus."""
        size = self._size
        return b"".join(int(value.ciphertext(be_secure=False)).to_bytes(size, "big") for value in encrypted)

    def deserialise(self, data: bytes) -> list[Any]:
        """The ciphertexts of ``serialise``."""
        from phe import paillier

        size = self._size
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        return [paillier.EncryptedNumber(self._public, int.from_bytes(piece, "big")) for piece in pieces]

    def processes(self) -> Sequence[int]:
        """None beside the worker."""
        return ()

    def security(self) -> int:
        """By the length of the live key's modulus."""
        length = int(self._public.n).bit_length()
        return next((security for bits, security in SECURITY if length >= bits), 0)

    def about(self) -> str:
        """Versions of phe, gmpy2 and GMP."""
        import gmpy2
        import phe

        return f"phe {phe.__version__} on gmpy2 {gmpy2.version()}, {gmpy2.mp_version()}"

    def close(self) -> None:
        """Forget the keys."""
        self._public = self._private = None
        self._rows = []

    @property
    def _size(self) -> int:
        return -(-int(self._public.nsquare).bit_length() // 8)
