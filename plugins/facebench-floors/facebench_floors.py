"""Floors: methods that know nothing of faces, to show where a board begins."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import bench

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

DIMENSIONS = 128


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The two methods of this plugin."""
    return [
        _floor("random", "a random vector, the same for the same pixels", load_random),
        _floor("constant", "a vector of ones, the same for all faces", load_constant),
    ]


def _floor(name: str, about: str, load: Callable[[bench.Load], Any]) -> bench.Method:
    return bench.Method(
        name=name,
        tasks=frozenset({"verification", "identification"}),
        inputs=frozenset({"raw", "arcface-112"}),
        load=load,
        about=about,
        licence="Apache-2.0",
        needs=("numpy",),
        floor=True,
    )


class Random:
    """Normal vectors drawn from the pixels and the seed, so neither order, batch nor process plays a part."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def embed(self, faces: Sequence[bench.Face]) -> NDArray[float32]:
        """float32 [n, 128], standard normal."""
        import numpy as np

        # The shape goes in too: a picture and its transposed shape may have the same bytes.
        marks = [f"{self.seed} {face.pixels.shape} ".encode() + face.pixels.tobytes() for face in faces]
        seeds = [int.from_bytes(hashlib.sha256(mark).digest(), "little") for mark in marks]
        drawn = np.empty((len(faces), DIMENSIONS), np.float32)
        for row, seed in enumerate(seeds):
            drawn[row] = np.random.default_rng(seed).standard_normal(DIMENSIONS)
        return drawn


class Constant:
    """Ones for every face."""

    def embed(self, faces: Sequence[bench.Face]) -> NDArray[float32]:
        """float32 [n, 128], all 1."""
        import numpy as np

        return np.ones((len(faces), DIMENSIONS), np.float32)


def load_random(given: bench.Load) -> Random:
    """Random vectors under the run's seed."""
    return Random(given.seed)


def load_constant(given: bench.Load) -> Constant:
    """The constant vector."""
    return Constant()
