"""Which of the two paths multiplies: gmpy2 everywhere, or eight lanes of AVX512-IFMA where it was compiled and runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gmpy2 import mpz, powmod_base_list

from facebench_pura import lanes
from facebench_pura.factored import Factored
from facebench_pura.refusals import ValueRefused
from facebench_pura.tables import Tables

AnyTables = Tables | lanes.LaneTables
KERNELS = ("auto", "portable", "native")
# Below so many bases most lanes would idle, and gmpy2 is as fast.
FEWEST_BASES = 2


def native() -> bool:
    """Whether the compiled kernel is there and this processor has what it needs."""
    return lanes.available()


def tables(rows: Iterable[Sequence[Factored]], n: mpz, kernel: str = "auto") -> AnyTables:
    """Tables for products by the asked kernel; raises ValueRefused where "native" is asked for and cannot run."""
    return lanes.LaneTables(rows, n) if _chosen(kernel) else Tables(rows, n)


def powers(bases: Sequence[mpz], exponent: mpz, modulus: mpz, kernel: str = "auto") -> list[mpz]:
    """base^exponent for each base, exponent >= 0; raises ValueRefused as ``tables`` does."""
    if _chosen(kernel) and len(bases) >= FEWEST_BASES:
        return lanes.powers(bases, exponent, modulus)
    return list(powmod_base_list(list(bases), exponent, modulus))


def _chosen(kernel: str) -> bool:
    if kernel not in KERNELS:
        raise ValueRefused(f"The kernel {kernel!r} was asked for.", f"There are {', '.join(KERNELS)}.", "Take 'auto'.")
    if kernel == "native" and not native():
        raise ValueRefused(
            "The native kernel was asked for.",
            "It was not compiled at install, or this processor lacks AVX512-IFMA.",
            "Take 'auto' or 'portable'; the results are the same to the bit.",
        )
    return kernel != "portable" and native()
