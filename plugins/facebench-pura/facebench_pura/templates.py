"""Templates as ciphertexts: a probe of a user, a row of the gallery, each feature by feature and in packs.

The packs are what BatchSquare masks and decrypts: a slot holds a difference of two int8 features plus its mask. The
single features carry the correction that takes the masks off again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gmpy2 import mpz

from facebench_pura.keys import PublicKey
from facebench_pura.packing import capacity, packs
from facebench_pura.refusals import ValueRefused

# |x - y| <= 255 for int8 features.
DIFFERENCE_BITS = 8
MASK_BITS = 128
MOST_FEATURES = 4096


@dataclass(frozen=True, slots=True)
class Layout:
    """``dimension`` features in packs of ``per`` slots of ``slot`` bits; masks are ``mask_bits`` above the values."""

    dimension: int
    mask_bits: int
    slot: int
    per: int

    @classmethod
    def of(cls, public: PublicKey, dimension: int, mask_bits: int = MASK_BITS) -> Layout:
        """The layout under a key; raises ValueRefused outside 1 to 4096 features or below 40 mask bits."""
        if not 1 <= dimension <= MOST_FEATURES or mask_bits < 40:
            raise ValueRefused(
                f"{dimension} features with {mask_bits}-bit masks were asked for.",
                f"1 to {MOST_FEATURES} features and at least 40 bits above the values are carried.",
                "Take 128 bits, or at least 40.",
            )
        slot = DIFFERENCE_BITS + mask_bits + 1
        return cls(dimension, mask_bits, slot, capacity(public.bits, slot))

    @property
    def packs(self) -> int:
        """How many packs hold one template."""
        return -(-self.dimension // self.per)

    @property
    def distance_bits(self) -> int:
        """A squared distance lies below 2^distance_bits."""
        return 2 * DIFFERENCE_BITS + int(self.dimension).bit_length()


@dataclass(frozen=True, slots=True)
class Template:
    """Ciphertexts of x_i (a probe's) or of -y_i (a row's), and of their packs."""

    features: tuple[mpz, ...]
    packs: tuple[mpz, ...]

    def flat(self) -> list[mpz]:
        """All ciphertexts, features first."""
        return [*self.features, *self.packs]

    @classmethod
    def of_flat(cls, layout: Layout, ciphertexts: Sequence[mpz]) -> Template:
        """The template of ``flat``; raises ValueRefused where the count is not the layout's."""
        if len(ciphertexts) != layout.dimension + layout.packs:
            raise ValueRefused("A template was to be read.", "It has not as many ciphertexts.", "Use one layout.")
        return cls(tuple(ciphertexts[: layout.dimension]), tuple(ciphertexts[layout.dimension :]))


def probe(encryptor: Any, features: Sequence[int], layout: Layout) -> Template:
    """A user's template under encryption; ``features``: int8 values; ``encryptor``: anything that encrypts."""
    return _encrypted(encryptor, _checked(features, layout), layout)


def row(encryptor: Any, features: Sequence[int], layout: Layout) -> Template:
    """A template of the gallery under encryption, negated, so that a difference is one product."""
    return _encrypted(encryptor, [-value for value in _checked(features, layout)], layout)


def _encrypted(encryptor: Any, values: list[int], layout: Layout) -> Template:
    ciphertexts = encryptor.encrypt([*values, *packs(values, layout.slot, layout.per)])
    return Template.of_flat(layout, ciphertexts)


def _checked(features: Sequence[int], layout: Layout) -> list[int]:
    values = [int(value) for value in features]
    if len(values) != layout.dimension or not all(-128 <= value <= 127 for value in values):
        raise ValueRefused(
            "A template was to be encrypted.",
            f"It is not {layout.dimension} values of int8.",
            "Quantise it, and enrol and ask with one dimension.",
        )
    return values
