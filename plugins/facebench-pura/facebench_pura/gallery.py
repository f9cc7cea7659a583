"""An encrypted probe against a plaintext gallery: inner products under encryption, packed for few decryptions.

prod over features of c_i^(y_i) for every row y: features are joined in groups, whose 2^group subset products are made
once a probe; a row then reads one entry a group and bit of y. Squarings are shared by all features of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gmpy2 import mpz

from facebench_pura.factored import factor, joined
from facebench_pura.kernel import AnyTables, native, powers, tables
from facebench_pura.keys import PublicKey
from facebench_pura.packing import capacity
from facebench_pura.paillier import add, negate, scale
from facebench_pura.refusals import ValueRefused
from facebench_pura.tables import planes_of, subsets

if TYPE_CHECKING:
    from numpy import int8
    from numpy.typing import NDArray

PLANES, OFFSET = 8, 128
LARGEST_GROUP = 11
# What a table entry, always made by gmpy2, costs in products of either kernel, as measured.
ENTRY_COST = {"portable": 3, "native": 13}


def best_group(bases: int, rows: int, planes: int, kernel: str = "auto") -> int:
    """The group size that costs least for tables and rows together."""
    entry = ENTRY_COST["native" if kernel != "portable" and native() else "portable"]

    def cost(group: int) -> int:
        groups = -(-bases // group)
        return entry * groups * (1 << group) + rows * planes * groups

    return min(range(1, LARGEST_GROUP + 1), key=cost)


def multiproduct(bases: Sequence[mpz], public: PublicKey, group: int, kernel: str = "auto") -> AnyTables:
    """Subset tables of ciphertexts, for ``Tables.products`` of ``planes_of`` exponents."""
    return tables(subsets(factor(bases, public.n), public.n, group), public.n, kernel)


class PlainGallery:
    """Rows of int8 features that the server holds in the clear.

    ``features``: int8 [rows, d], d at least 1. A score is an inner product, |score| <= 128 * 128 * d.
    """

    def __init__(self, features: NDArray[int8], public: PublicKey, kernel: str = "auto") -> None:
        import numpy as np

        features = np.asarray(features)
        if features.dtype != np.int8 or features.ndim != 2 or 0 in features.shape:
            raise ValueRefused("A gallery was to be enrolled.", "It is no int8 [rows, d].", "Quantise it first.")
        self.public, self.kernel = public, kernel
        self.rows, self.dimension = features.shape
        self.slot = score_bits(self.dimension)
        self.group = best_group(self.dimension, self.rows, PLANES, kernel)
        self.digits = planes_of(features.astype(np.int16) + OFFSET, self.group, PLANES)

    def match(self, probe: Sequence[mpz]) -> list[mpz]:
        """A ciphertext of <probe, row> for each row, in order; ``probe``: a ciphertext for each feature."""
        if len(probe) != self.dimension:
            raise ValueRefused("A probe was to be matched.", "It has another dimension.", "Encrypt d features.")
        table = multiproduct(probe, self.public, self.group, self.kernel)
        # Rows are shifted by 128 to have no negative exponents: take 128 sum(x) off again.
        offset = scale(self.public, negate(self.public, add(self.public, mpz(1), *probe)), OFFSET)
        n, square = self.public.n, self.public.square
        return [joined(product * offset % square, k, n) for product, k in table.products(self.digits)]

    def packed(self, scores: Sequence[mpz]) -> list[mpz]:
        """The scores' ciphertexts, as many in one as fit, for ``packing.unpack`` with ``slot``."""
        return pack_ciphertexts(scores, self.public, self.slot, self.kernel)


def score_bits(dimension: int) -> int:
    """The slot that holds an inner product of ``dimension`` int8 features with its sign: 26 bits for 512."""
    return max(26, 15 + int(dimension).bit_length())


def pack_ciphertexts(ciphertexts: Sequence[mpz], public: PublicKey, slot: int, kernel: str = "auto") -> list[mpz]:
    """sum of m_j 2^(slot j) under encryption, ``capacity`` values a ciphertext; all packs grow side by side."""
    per, square = capacity(public.bits, slot), public.square
    packs = [ciphertexts[start : start + per] for start in range(0, len(ciphertexts), per)]
    joint = [mpz(1)] * len(packs)
    for place in reversed(range(per)):
        joint = powers(joint, mpz(1) << slot, square, kernel)
        joint = [
            value * pack[place] % square if place < len(pack) else value
            for value, pack in zip(joint, packs, strict=True)
        ]
    return joint
