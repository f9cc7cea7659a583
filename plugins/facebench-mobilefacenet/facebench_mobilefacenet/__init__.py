"""MobileFaceNet, a small face-recognition network: 112x112 RGB to 128 numbers, compared by cosine."""

from __future__ import annotations

from typing import Any

import bench

REFINED = "MS-Celeb-1M (refined)"


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The one method of this plugin."""
    return [
        bench.Method(
            name="mobilefacenet",
            tasks=frozenset({"verification", "identification"}),
            inputs=frozenset({"arcface-112"}),
            load=load,
            weights=bench.Folder(
                "mobilefacenet-112",
                {"model.safetensors": "d3b7c77c8d1ca9a1f72160a67d2e2c34f9fb5917110faff36c6f23edac6b542b"},
                source=(
                    "https://github.com/foamliu/MobileFaceNet (commit a6cc9032a659b615f477833e1a70b5e7931bcccc) "
                    "as weights/mobilefacenet.pt; the README of facebench-mobilefacenet says how the two differ"
                ),
            ),
            about="MobileFaceNet as trained by foamliu, 1.0 M parameters, 128 numbers a face",
            licence="Apache-2.0",
            trained_on=(REFINED,),
            withdrawn=(REFINED,),
            cite="Chen et al., MobileFaceNets, 2018, arXiv:1804.07573",
            similarity="cosine",
            options=(bench.Option("flip", True, "add the embedding of the mirror image before comparing"),),
            needs=("torch", "safetensors"),
        )
    ]


def load(given: bench.Load) -> Any:
    """Make the embedder; torch is imported here and not before."""
    from facebench_mobilefacenet.network import MobileFaceNetEmbedder

    return MobileFaceNetEmbedder.load(given)
