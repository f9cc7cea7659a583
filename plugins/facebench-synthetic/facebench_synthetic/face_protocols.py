"""Protocols over synthetic faces that show an expression: which one is known, since it was drawn."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

import bench
from bench.protocols import labelled_faces
from bench.tasks import expression

SEED = 3
EMOTIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
PEOPLE, LEARNED = 24, 24  # who is asked about, and who may be learned from: each with every emotion
INTENSITY, SPREAD = (0.45, 1.0), 0.6
# SHA-256 over the pictures of the first three people: a change of the look is another question.
LOOK = "62790213e49ba88f723ba44dcdbb66f9b473bb3c982b14e2cf266fe5bfcdbb3f"
DATA = bench.Data(
    name="synthetic faces of facebench-synthetic",
    folder="",
    licence="Apache-2.0",
    source="drawn by facebench-synthetic, of nobody",
    trials_publishable=True,
)


@functools.lru_cache((PEOPLE + LEARNED) * len(EMOTIONS))
def picture(name: str) -> Any:
    """uint8 [112, 112, 3], RGB, read-only, of a name such as ``p12/fear``: another intensity, pose and light each."""
    from facebench_synthetic.expression import Expression
    from facebench_synthetic.identity import Identity
    from facebench_synthetic.scene import Scene
    from facebench_synthetic.view import render
    from facebench_synthetic.world import Face

    person, _, emotion = name.partition("/")
    number = int(person[1:]) * 100 + EMOTIONS.index(emotion)
    share = hashlib.sha256(f"emotion/{SEED}/{number}".encode()).digest()[0] / 255
    low, high = INTENSITY
    shown = Expression.emotion(emotion, low + share * (high - low))
    pixels = render(Face(Identity.random(SEED, int(person[1:])), shown, Scene.random(SEED, number, SPREAD)))
    pixels.flags.writeable = False
    return pixels


def read(name: str, key: str) -> bench.Face:
    """The record of a name."""
    return bench.Face(key, picture(name))


def read_expressions(root: Path, labels: tuple[str, ...], salt: str) -> bench.Content:
    """Every emotion of each of 24 people, and of 24 others to learn from; needs no data root."""
    rows = [expression.Row(f"p{person}/{label}", label) for person in range(PEOPLE) for label in labels]

    def training() -> tuple[list[bench.Sample], Any]:
        import numpy as np

        names = [f"p{person}/{label}" for person in range(PEOPLE, PEOPLE + LEARNED) for label in labels]
        samples = [bench.Sample(f"t{i:04d}", name, functools.partial(read, name)) for i, name in enumerate(names)]
        return samples, np.arange(len(names), dtype=np.int64) % len(labels)

    def copies() -> expression.Repeats:
        return expression.Repeats(known=True)

    return expression.content(rows, labels, read, {}, salt, training=training, repeats=copies)


EXPRESSIONS = labelled_faces.protocol(
    "expression/synthetic/faces",
    DATA,
    read_expressions,
    EMOTIONS,
    "168 synthetic faces of 24 people, each with seven expressions, which other people's may be learned from",
    trials="442c5f2a95187db1d484f0249ed110af1ec4bd8df9f95084d337c3452b10ce01",
    cite="synthetic: no figure on it says anything of real faces",
    inputs="arcface-112",
    look=LOOK,
)
