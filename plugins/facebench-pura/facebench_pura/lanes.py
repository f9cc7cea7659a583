"""The native path: eight residues at a time in the compiled kernel, the same results to the bit as gmpy2's.

Factors of an almost-Montgomery product come divided by 2^52 for each of their limbs; how often is known from the shape
alone, so one last product with a power of two sets it right.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmpy2 import invert, mpz, powmod

from facebench_pura.factored import Factored

try:
    _lanes: Any = importlib.import_module("facebench_pura._lanes")
except ImportError:  # not compiled: there was no compiler at install
    _lanes = None

if TYPE_CHECKING:
    from numpy import uint16
    from numpy.typing import NDArray

LIMB, BLOCK = 52, 4
# One item of many planes is cut into this many lanes.
LANES = 8


def available() -> bool:
    """Whether the kernel was compiled and this processor runs it."""
    return _lanes is not None and bool(_lanes.available())


@dataclass(frozen=True, slots=True)
class Field:
    """A modulus as the kernel takes it: ``wide`` limbs, its limbs, and -1/modulus mod 2^52."""

    modulus: mpz
    wide: int
    limbs: bytes
    factor: int

    @classmethod
    def of(cls, modulus: mpz) -> Field:
        """The field of an odd modulus."""
        wide = _limbs(modulus, 2)
        factor = int(-invert(modulus, mpz(1) << LIMB) % (mpz(1) << LIMB))
        return cls(modulus, wide, packed([modulus], wide), factor)


def packed(values: Iterable[mpz], limbs: int) -> bytes:
    """Integers below 2^(52 limbs) as the kernel's limbs."""
    size = LIMB * limbs // 8
    made: bytes = _lanes.limbs(b"".join(value.to_bytes(size, "little") for value in values))
    return made


def unpacked(data: bytes, limbs: int) -> list[mpz]:
    """Integers of ``limbs`` limbs from the kernel's bytes."""
    size = LIMB * limbs // 8
    return [mpz.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]


class LaneTables:
    """``tables.Tables`` in the kernel: rows of factored residues modulo n^2, all rows of one length."""

    kernel = "native"

    def __init__(self, rows: Iterable[Sequence[Factored]], n: mpz) -> None:
        self.n, self.field, self.narrow = n, Field.of(n * n), _limbs(n, 1)
        residues, logs, self.rows, self.entries = [], [], 0, 0
        for row in rows:
            residues.append(packed((entry.r for entry in row), self.narrow))
            logs.append(packed((entry.k for entry in row), self.narrow))
            self.rows, self.entries = self.rows + 1, len(row)
        self.residues, self.logs = b"".join(residues), b"".join(logs)
        self._corrections: dict[tuple[int, int], bytes] = {}

    @property
    def held(self) -> int:
        """Bytes of the table."""
        return len(self.residues) + len(self.logs)

    def products(self, digits: NDArray[uint16]) -> list[tuple[mpz, mpz]]:
        """For uint16 [count, planes, rows] the ``count`` products, each as (value below n^2, k) for value (1 + k n)."""
        import numpy as np

        count, planes, rows = digits.shape
        if not count:
            return []
        if count == 1 and planes >= 2 * LANES:
            return [self._cut(digits)]
        shape = (count, planes, rows, self.entries, self.narrow, self.field.wide)
        data = np.ascontiguousarray(digits, np.uint16)
        field = self.field
        last = self._correction(planes, rows)
        values, totals = _lanes.products(self.residues, self.logs, data, shape, field.limbs, field.factor, last)
        found = [value % field.modulus for value in unpacked(values, field.wide)]
        return list(zip(found, unpacked(totals, len(totals) * 8 // LIMB // count), strict=True))

    def _cut(self, digits: NDArray[uint16]) -> tuple[mpz, mpz]:
        """One item, its planes shared out among the lanes, which are then joined by squarings."""
        import numpy as np

        _, planes, rows = digits.shape
        each = -(-planes // LANES)
        padded = np.zeros((LANES * each, rows), np.uint16)
        padded[LANES * each - planes :] = digits[0]
        product, total = mpz(1), mpz(0)
        for value, k in self.products(padded.reshape(LANES, each, rows)):
            product = powmod(product, mpz(1) << each, self.field.modulus) * value % self.field.modulus
            total = (total << each) + k
        return product, total

    def _correction(self, planes: int, rows: int) -> bytes:
        """What the last product has to bring: all divisions by powers of 2^52 undone."""
        if (planes, rows) not in self._corrections:
            narrow, wide = rows - 1, 0
            for _ in range(planes - 1):
                narrow, wide = 2 * narrow + rows, 2 * wide + 1
            power = LIMB * (self.narrow * narrow + self.field.wide * (wide + 1))
            self._corrections[planes, rows] = packed([powmod(2, power, self.field.modulus)], self.field.wide)
        return self._corrections[planes, rows]


def powers(bases: Sequence[mpz], exponent: mpz, modulus: mpz) -> list[mpz]:
    """base^exponent modulo an odd modulus for each base, exponent >= 0; the interpreter lock is released."""
    field = Field.of(modulus)
    form = LIMB * field.wide
    digits = bytes(int(digit, 32) for digit in exponent.digits(32))
    mounted = packed(((base << form) % modulus for base in bases), field.wide)
    one = packed([(mpz(1) << form) % modulus], field.wide)
    shape = (len(bases), field.wide)
    values = _lanes.powers(mounted, one, digits, shape, field.limbs, field.factor)
    return [value % modulus for value in unpacked(values, field.wide)]


def _limbs(modulus: mpz, spare: int) -> int:
    """Limbs for a modulus and ``spare`` bits, in whole blocks."""
    return -(-(int(modulus.bit_length()) + spare) // (LIMB * BLOCK)) * BLOCK
