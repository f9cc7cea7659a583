"""TenSEAL's own vectors: a feature a slot, inner products by its ``matmul`` (a rotation a feature) or ``dot``."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tenseal

from facebench_tenseal import parameters

RING = 8192
# The two primes that are dropped are 50 bits long and not 40, as in TenSEAL's examples: TenSEAL takes a dropped prime
# for the scale, which makes scores wrong by 2^-23 of themselves at 40 bits.
PRIMES, SCALE = [58, 50, 50, 60], 2.0**50
HEAD, SIZE = struct.Struct("<II"), struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Encrypted:
    """Vectors of TenSEAL, together ``count`` values."""

    vectors: list[Any]
    count: int


class SlotMatcher:
    """Rows in the clear are columns of a matrix; encrypted ones are subtracted, squared and summed one by one."""

    def __init__(self) -> None:
        self._context: Any = None
        self._kind = ""
        self._gallery: list[Any] = []
        self._rows = 0

    def keygen(self, bits: int, division: str, gallery: str) -> None:
        """A new key of 128 bits of security, with keys to rotate by; division "owner" encrypts with the secret one."""
        parameters.refuse(bits, division)
        self.close()
        kinds = tenseal.ENCRYPTION_TYPE
        self._context = tenseal.context(
            tenseal.SCHEME_TYPE.CKKS,
            RING,
            coeff_mod_bit_sizes=PRIMES,
            encryption_type=kinds.SYMMETRIC if division == "owner" else kinds.ASYMMETRIC,
            n_threads=1,
        )
        self._context.global_scale = SCALE
        self._context.generate_galois_keys()
        self._kind = gallery

    def precompute(self, pooled: int) -> None:
        """Nothing: SEAL's tables come with the context."""

    def enrol(self, rows: Any) -> None:
        """Columns of at most as many rows as there are slots, rows for few; or each row encrypted."""
        self._rows, features = rows.shape
        parameters.fits(features, RING // 2)
        if self._kind == "encrypted":
            self._gallery = [self._vector(row) for row in rows]
        elif self._rows * 3 < features * 2:  # a dot costs a rotation a halving, a matmul one a feature
            self._gallery = rows.tolist()
        else:
            slots = RING // 2
            self._gallery = [rows[start : start + slots].T.tolist() for start in range(0, self._rows, slots)]

    def encrypt(self, probe: Any) -> Encrypted:
        """One vector."""
        parameters.fits(len(probe), RING // 2)
        return Encrypted([self._vector(probe)], len(probe))

    def match(self, probe: Encrypted) -> Encrypted:
        """Scores, a vector for each matrix or row."""
        (vector,) = probe.vectors
        if self._kind == "encrypted":
            apart = (vector - row for row in self._gallery)
            return Encrypted([difference.dot(difference) for difference in apart], self._rows)
        products = [vector.matmul(part) if isinstance(part[0], list) else vector.dot(part) for part in self._gallery]
        return Encrypted(products, self._rows)

    def pack(self, scores: Encrypted) -> Encrypted:
        """The scores as they are."""
        return scores

    def answer(self, probe: Encrypted) -> int | None:
        """The owner opens all distances and tells the position of the smallest: CKKS cannot compare."""
        if self._kind != "encrypted":
            raise NotImplementedError("only an encrypted gallery is answered with a position")
        return parameters.smallest(self.decrypt(self.match(probe)))

    def decrypt(self, encrypted: Encrypted) -> list[int]:
        """The values, rounded."""
        return [round(value) for vector in encrypted.vectors for value in vector.decrypt()]

    def serialise(self, encrypted: Encrypted) -> bytes:
        """Count and number of vectors, then each after its length."""
        pieces = [HEAD.pack(encrypted.count, len(encrypted.vectors))]
        for data in (vector.serialize() for vector in encrypted.vectors):
            pieces += [SIZE.pack(len(data)), data]
        return b"".join(pieces)

    def deserialise(self, data: bytes) -> Encrypted:
        """What ``serialise`` wrote; raises FacebenchError for other bytes."""
        vectors = []
        try:
            (count, number), at = HEAD.unpack_from(data), HEAD.size
            for _ in range(number):
                (size,), at = SIZE.unpack_from(data, at), at + SIZE.size
                vectors.append(tenseal.ckks_vector_from(self._live, data[at : at + size]))
                at += size
        except (struct.error, RuntimeError, ValueError) as error:
            raise parameters.damaged(error) from None
        if at != len(data) or count != sum(vector.size() for vector in vectors):
            raise parameters.damaged("lengths do not fit together")
        return Encrypted(vectors, count)

    def processes(self) -> Sequence[int]:
        """None beside the worker."""
        return ()

    def security(self) -> int:
        """By ring and whole modulus of the live context."""
        return parameters.security(self._live.seal_context().data.key_context_data())

    def about(self) -> str:
        """Version, ring, moduli and packing."""
        return f"TenSEAL {tenseal.__version__}, CKKS n={RING} log q={sum(PRIMES)} scale 2^50, slots"

    def close(self) -> None:
        """Forget key and gallery."""
        self._context, self._kind, self._gallery, self._rows = None, "", [], 0

    def _vector(self, features: Any) -> Any:
        return tenseal.ckks_vector(self._live, features.tolist())

    @property
    def _live(self) -> Any:
        if self._context is None:
            raise parameters.no_key()
        return self._context
