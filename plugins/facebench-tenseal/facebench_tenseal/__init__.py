"""CKKS of TenSEAL: approximate numbers, scaled so that scores of int8 vectors are exact once they are rounded."""

from __future__ import annotations

from typing import Any

import bench

PACKINGS = ("coefficients", "slots")


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The one method."""
    return [
        bench.Method(
            name="tenseal-ckks",
            tasks=frozenset({"encryption"}),
            inputs=frozenset({"int8"}),
            load=load,
            about="CKKS of TenSEAL: many features, and many rows, a ciphertext",
            licence="Apache-2.0, as TenSEAL; SEAL in it is MIT",
            cite="Cheon et al. 2017; Benaissa et al. 2021, TenSEAL, arXiv:2104.03152",
            options=(
                bench.Option("packing", PACKINGS[0], "where features lie; slots is TenSEAL's own vector", PACKINGS),
            ),
            needs=("tenseal", "numpy"),
        )
    ]


def load(given: bench.Load) -> Any:
    """The matcher of the packing asked for."""
    if given.options.get("packing", PACKINGS[0]) == "slots":
        from facebench_tenseal.slots import SlotMatcher

        return SlotMatcher()
    from facebench_tenseal.coefficients import CoefficientMatcher

    return CoefficientMatcher()
