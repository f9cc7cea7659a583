"""MobileFaceNet, a small face-recognition network: 112x112 RGB to 128 numbers, compared by cosine."""

from __future__ import annotations

from typing import Any

import bench

FLIP = bench.Option("flip", True, "add the vector of the mirror image before comparing")


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    return [
        bench.Method(
            name="mobilefacenet",
            tasks=frozenset({"verification", "identification"}),
            inputs=frozenset({"arcface-112"}),
            load=load,
            weights=bench.Folder(
                "mobilefacenet-112",
                {"model.safetensors": "d3b7c77c8d1ca9a1f72160a67d2e2c34f9fb5917110faff36c6f23edac6b542b"},
                source="github.com/foamliu/MobileFaceNet, commit a6cc9032, converted (see this plugin's README)",
            ),
            about="MobileFaceNet, 1.0 M parameters, 128-d",
            licence="Apache-2.0",
            trained_on=("MS-Celeb-1M (refined: 3.8 M faces, 85,164 identities)",),
            withdrawn=("MS-Celeb-1M",),
            cite="Chen et al., MobileFaceNets, arXiv 1804.07573",
            similarity="cosine",
            options=(FLIP,),
            needs=("torch", "safetensors"),
        )
    ]


def load(given: bench.Load) -> Any:
    """The network with its weights, on the given device."""
    from facebench_mobilefacenet.network import MobileFaceNetEmbedder

    return MobileFaceNetEmbedder.load(given)
