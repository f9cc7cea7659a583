"""Pura: face recognition over data encrypted under a (2,2)-threshold Paillier cryptosystem with fast-subgroup keys."""

from __future__ import annotations

from typing import Any

import bench

KERNELS = ("auto", "portable", "native")
SPLITS = ("default", "published")


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The one method."""
    return [
        bench.Method(
            name="pura",
            tasks=frozenset({"encryption"}),
            inputs=frozenset({"int8"}),
            load=load,
            about="threshold Paillier with fast-subgroup keys, two servers",
            licence="Apache-2.0",
            cite="Xu et al. 2025, Pura, arXiv:2505.15476",
            options=(
                bench.Option("kernel", "auto", "which code multiplies; auto is native where it runs", KERNELS),
                bench.Option("split", "default", "how servers share the key; published is broken", SPLITS),
            ),
            needs=("gmpy2", "numpy"),
        )
    ]


def load(given: bench.Load) -> Any:
    """The matcher as it is measured."""
    from facebench_pura.measured import MeasuredMatcher

    return MeasuredMatcher(str(given.options["kernel"]), str(given.options["split"]))
