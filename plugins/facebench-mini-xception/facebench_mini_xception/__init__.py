"""Mini-Xception, a small expression classifier: grey 64x64 pictures to seven classes."""

from __future__ import annotations

from typing import Any

import bench


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The one method of this plugin."""
    return [
        bench.Method(
            name="mini-xception",
            tasks=frozenset({"expression"}),
            inputs=frozenset({"raw", "arcface-112"}),
            load=load,
            weights=bench.Folder(
                "mini-xception-fer",
                {"model.safetensors": "c132db971b153f6ab6be466ed340516735305f55922928dabff1f1c21230ab29"},
                source=(
                    "the npm package @vladmandic/human 3.3.6 as models/emotion.json and emotion.bin; the README of "
                    "facebench-mini-xception says how the two differ"
                ),
            ),
            about="the larger Xception of face_classification, 0.2 M parameters, seven classes; it knows no contempt",
            licence="MIT",
            trained_on=("FER2013",),
            cite="Arriaga, Valdenegro-Toro and Plöger, Real-time CNNs for Emotion and Gender Classification, 2017",
            needs=("torch", "safetensors"),
        )
    ]


def load(given: bench.Load) -> Any:
    """Make the classifier; torch is imported here and not before."""
    from facebench_mini_xception.network import MiniXceptionClassifier

    return MiniXceptionClassifier.load(given)
