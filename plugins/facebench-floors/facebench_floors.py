"""Floors: methods that know nothing of faces, to show where a board begins."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import bench

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

DIMENSIONS = 128


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    return [_floor("random", "a random vector a picture", load_random), _floor("constant", "the same vector", load_constant)]


def _floor(name: str, about: str, load: object) -> bench.Method:
    return bench.Method(
        name=name,
        tasks=frozenset({"verification", "identification"}),
        inputs=frozenset({"raw", "arcface-112"}),
        load=load,  # type: ignore[arg-type]
        about=about,
        licence="Apache-2.0",
        needs=("numpy",),
        floor=True,
    )


class Random:
    """Normal vectors drawn from the picture's bytes and the seed: the same picture, the same vector."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def embed(self, faces: Sequence[bench.Face]) -> NDArray[float32]:
        """float32 [n, 128]."""
        import numpy as np

        seeds = [hashlib.sha256(self.seed.to_bytes(8, "little") + face.pixels.tobytes()).digest() for face in faces]
        drawn = [np.random.default_rng(list(seed)).standard_normal(DIMENSIONS) for seed in seeds]
        return np.stack(drawn).astype(np.float32)


class Constant:
    """Ones for every picture."""

    def embed(self, faces: Sequence[bench.Face]) -> NDArray[float32]:
        """float32 [n, 128]."""
        import numpy as np

        return np.ones((len(faces), DIMENSIONS), np.float32)


def load_random(given: bench.Load) -> Random:
    return Random(given.seed)


def load_constant(given: bench.Load) -> Constant:
    return Constant()
