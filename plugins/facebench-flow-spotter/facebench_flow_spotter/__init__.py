"""MDMD: micro- and macro-expressions found where optical flow turns back on itself, without any training."""

from __future__ import annotations

from typing import Any

import bench


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The one method of this plugin."""
    return [
        bench.Method(
            name="mdmd",
            tasks=frozenset({"spotting"}),
            inputs=frozenset({"clip"}),
            load=load,
            about="main directional maximal difference of optical flow: micro- and macro-expressions, no emotion",
            licence="Apache-2.0",
            cite=(
                "Wang, Wu, Qian, Li and Fu, A main directional maximal difference analysis for spotting facial "
                "movements from long-term videos, Neurocomputing 230, 2017; parameters as the baseline of MEGC 2020"
            ),
            options=(
                bench.Option(
                    "flow",
                    "rlof",
                    "optical flow: robust local, as published; or dense inverse search or Farneback's, faster",
                    ("rlof", "dis", "farneback"),
                ),
                bench.Option(
                    "angle",
                    "published",
                    "directions by atan(u/v), of which two of four bins stay empty, as in the published code; or all",
                    ("published", "corrected"),
                ),
                bench.Option(
                    "crop",
                    "dlib",
                    "cut every frame to the face that dlib finds in the first; where it finds none, or none: all of it",
                    ("dlib", "none"),
                ),
                bench.Option("p", 0.01, "the threshold's height between a clip's mean feature (0) and its largest (1)"),
                bench.Option("emotion", "", "the word given to every interval; the method itself tells no emotion"),
            ),
            needs=("dlib-bin", "numpy", "opencv-contrib-python-headless"),
            batch=1,
        )
    ]


def load(given: bench.Load) -> Any:
    """The spotter; OpenCV and dlib are imported here and not before."""
    from facebench_flow_spotter.spotter import Spotter

    return Spotter(given.threads, **given.options)
