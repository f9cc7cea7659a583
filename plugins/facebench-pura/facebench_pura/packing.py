"""Several signed values in one plaintext: sum of v_j 2^(slot j), |v_j| < 2^(slot - 1)."""

from __future__ import annotations

from collections.abc import Sequence

from gmpy2 import mpz

from facebench_pura.refusals import ValueRefused


def capacity(bits: int, slot: int) -> int:
    """How many slots of ``slot`` bits fit into a plaintext of a ``bits``-bit modulus, sign included.

    Raises ValueRefused where none does.
    """
    count = (bits - 2) // slot
    if count < 1:
        raise ValueRefused(
            f"Slots of {slot} bits were asked for.", f"A plaintext holds {bits - 2} bits.", "Take a larger key."
        )
    return count


def pack(values: Sequence[int], slot: int) -> mpz:
    """One plaintext; raises ValueRefused where a value does not fit its slot."""
    bound = 1 << (slot - 1)
    packed = 0
    for value in reversed(values):
        if not -bound < value < bound:
            raise ValueRefused("A value was to be packed.", f"It does not fit {slot} bits.", "Take wider slots.")
        packed = (packed << slot) + value
    return mpz(packed)


def packs(values: Sequence[int], slot: int, per: int) -> list[mpz]:
    """As many plaintexts as it takes, ``per`` values each, the last one with fewer."""
    return [pack(values[start : start + per], slot) for start in range(0, len(values), per)]


def unpack(packed: int, slot: int, count: int) -> list[int]:
    """The ``count`` values of one plaintext; raises ValueRefused where it holds something else."""
    half, mask = 1 << (slot - 1), (1 << slot) - 1
    shifted = int(packed) + sum(half << (slot * j) for j in range(count))
    if not 0 <= shifted < 1 << (slot * count):
        raise ValueRefused("A plaintext was to be unpacked.", "It does not hold that many slots.", "Check the key.")
    return [((shifted >> (slot * j)) & mask) - half for j in range(count)]
