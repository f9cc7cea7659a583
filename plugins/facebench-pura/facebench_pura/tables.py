"""Products of table entries modulo N^2, the one loop behind encryption, matching and masked sums.

A table has rows of factored residues (``factored``). For digits d[plane][row] the product is
prod over planes of (prod over rows of T[row][d[plane][row]])^(2^(planes - 1 - plane)): squarings are shared by all
rows. Which entry is read depends on secret digits, so neither path is constant-time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gmpy2 import mpz

from facebench_pura.factored import ONE, Factored

if TYPE_CHECKING:
    from numpy import uint16
    from numpy.typing import NDArray


class Tables:
    """Rows of factored residues modulo n^2, in gmpy2's integers."""

    kernel = "portable"

    def __init__(self, rows: Iterable[Sequence[Factored]], n: mpz) -> None:
        self.n, self.square = n, n * n
        self.residues: list[list[mpz]] = []
        self.logs: list[list[mpz]] = []
        for row in rows:
            self.residues.append([entry.r for entry in row])
            self.logs.append([entry.k for entry in row])

    @property
    def held(self) -> int:
        """Bytes of the residues that the table holds, without what Python adds to them."""
        return sum(len(row) for row in self.residues) * 2 * (-(-int(self.n.bit_length()) // 8))

    def products(self, digits: NDArray[uint16]) -> list[tuple[mpz, mpz]]:
        """For uint16 [count, planes, rows] the ``count`` products, each as (value below n^2, k) for value (1 + k n)."""
        square, found = self.square, []
        for item in digits.tolist():
            product, total = mpz(1), mpz(0)
            for plane in item:
                product, total = product * product % square, total + total
                for residues, logs, digit in zip(self.residues, self.logs, plane, strict=True):
                    product = product * residues[digit] % square
                    total += logs[digit]
            found.append((product, total))
        return found


def powers(base: Factored, n: mpz, width: int, rows: int) -> Iterable[list[Factored]]:
    """Row j holds base^(e 2^(width j)) for e in [0, 2^width), so that a power of ``base`` is one entry a row."""
    for _ in range(rows):
        row = [ONE, base]
        while len(row) < 1 << width:
            row.append(row[-1].times(base, n))
        yield row
        base = row[-1].times(base, n)


def subsets(bases: Sequence[Factored], n: mpz, group: int) -> Iterable[list[Factored]]:
    """A row for each ``group`` of bases: entry e is the product of the bases whose bit is set in e."""
    for start in range(0, len(bases), group):
        row = [ONE]
        for base in [*bases[start : start + group], *[ONE] * (start + group - len(bases))]:
            row += [base if entry is ONE else entry if base is ONE else entry.times(base, n) for entry in row]
        yield row


def digits_of(exponents: Sequence[int], width: int, rows: int) -> NDArray[uint16]:
    """Exponents below 2^(width rows) as digits of ``width`` bits, lowest first: uint16 [count, rows]."""
    import numpy as np

    bits = _bits(exponents, width * rows).reshape(len(exponents), rows, width)
    digits: NDArray[uint16] = (bits << np.arange(width, dtype=np.uint16)).sum(axis=2, dtype=np.uint16)
    return digits


def planes_of(exponents: Any, group: int, length: int) -> NDArray[uint16]:
    """Exponents below 2^length as digits for ``subsets``: uint16 [count, length, ceil(bases / group)].

    ``exponents``: non-negative integers [count, bases]; an array of numpy integers, or lists of Python's.
    """
    import numpy as np

    if isinstance(exponents, np.ndarray):
        shifts = np.arange(length - 1, -1, -1, dtype=exponents.dtype)
        bits = ((exponents[:, None, :] >> shifts[:, None]) & 1).astype(np.uint16)
    else:
        bits = np.stack([_bits(row, length).T[::-1] for row in exponents])
    count, _, bases = bits.shape
    rows = -(-bases // group)
    padded = np.zeros((count, length, rows * group), np.uint16)
    padded[:, :, :bases] = bits
    weights = np.arange(group, dtype=np.uint16)
    digits: NDArray[uint16] = (padded.reshape(count, length, rows, group) << weights).sum(axis=3, dtype=np.uint16)
    return digits


def _bits(values: Sequence[int], length: int) -> NDArray[uint16]:
    """The lowest ``length`` bits of each value, lowest first: uint16 [count, length]."""
    import numpy as np

    size = -(-length // 8)
    raw = np.frombuffer(b"".join(int(value).to_bytes(size, "little") for value in values), np.uint8)
    return np.unpackbits(raw.reshape(len(values), size), axis=1, bitorder="little")[:, :length].astype(np.uint16)
