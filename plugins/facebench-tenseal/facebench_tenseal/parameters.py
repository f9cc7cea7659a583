"""What both packings have in common: what is refused, how secure a context is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bench

MOST_BITS = 3072  # a Paillier modulus of 128 bits of security, which is what the parameters here have
# HomomorphicEncryption.org's standard (2018), table 1: most bits of the whole modulus for 128 bits of security against
# classical attacks, ternary secret.
STANDARD = {1024: 27, 2048: 54, 4096: 109, 8192: 218, 16384: 438, 32768: 881}


def refuse(bits: int, division: str) -> None:
    """Raises NotImplementedError for what is not offered."""
    if division == "pool":
        raise NotImplementedError("TenSEAL does not make randomness beforehand")
    if bits > MOST_BITS:
        raise NotImplementedError(f"parameters are for 128 bits of security, as {MOST_BITS}-bit moduli have")


def security(level: Any) -> int:
    """Of SEAL's ContextData of a key: 128, or 0 where the standard's table has less."""
    most = STANDARD.get(level.parms().poly_modulus_degree(), 0)
    return 128 if level.total_coeff_modulus_bit_count() <= most else 0


def fits(features: int, most: int) -> None:
    """Raises FacebenchError for vectors that are too long."""
    if features > most:
        asked = f"Vectors of {features} features were to be matched."
        raise bench.FacebenchError(asked, f"{most} are the most here.", "Give shorter vectors.")


def smallest(distances: Sequence[int]) -> int | None:
    """Its position, None where there are none."""
    return min(range(len(distances)), key=distances.__getitem__, default=None)


def no_key() -> bench.FacebenchError:
    """What a stage without a key raises."""
    return bench.FacebenchError("A stage was called.", "There is no key.", "First: keygen.")


def damaged(why: object) -> bench.FacebenchError:
    """What bytes that are no ciphertexts raise."""
    return bench.FacebenchError("Ciphertexts were read.", f"They are damaged: {why}.")
