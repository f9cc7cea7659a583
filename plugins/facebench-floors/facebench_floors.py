"""Floors: methods that know nothing of faces, to show where a board begins."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import bench

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

DIMENSIONS = 128
PICTURES, CLIPS = frozenset({"raw", "arcface-112", "flow-28"}), frozenset({"clip"})
FACES, CLASSES = frozenset({"verification", "identification"}), frozenset({"micro_expression", "expression"})
EVERY_SECONDS = 10.0  # how often random finds an expression,
LASTING = (0.2, 0.5)  # and for how many seconds
EMOTIONS = ("negative", "positive", "surprise")


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The three methods of this plugin."""
    return [
        _floor(
            "random",
            "random vectors, classes and intervals, the same for the same pixels",
            load_random,
            FACES | CLASSES | {"spotting"},
        ),
        _floor(
            "constant",
            "a vector of ones, the first class and no interval, for all",
            load_constant,
            FACES | CLASSES | {"spotting"},
        ),
        _floor("majority", "the class that most of the others have", load_majority, CLASSES, trainable=True),
    ]


def _floor(
    name: str, about: str, load: Callable[[bench.Load], Any], tasks: frozenset[str], trainable: bool = False
) -> bench.Method:
    return bench.Method(
        name=name,
        tasks=tasks,
        inputs=PICTURES | CLIPS,
        trainable=trainable,
        load=load,
        about=about,
        licence="Apache-2.0",
        needs=("numpy",),
        floor=True,
    )


class Random:
    """Draws from the pixels and the seed, so neither order, batch nor process plays a part."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def embed(self, faces: Sequence[bench.Face]) -> NDArray[float32]:
        """float32 [n, 128], standard normal."""
        return self._rows([face.pixels for face in faces], DIMENSIONS)

    def classify(self, records: Sequence[Any], labels: Sequence[str]) -> NDArray[float32]:
        """float32 [n, k], standard normal, so that each class is as likely."""
        return self._rows([_pixels(record) for record in records], len(labels))

    def spot(self, clip: bench.Clip) -> list[list[Any]]:
        """One interval in each ten seconds, of a fifth to half a second, anywhere in them."""
        generator, made = self._generator(clip.frames), []
        each = max(1, round(EVERY_SECONDS * clip.fps))
        for start in range(0, len(clip.frames), each):
            room = min(each, len(clip.frames) - start)
            length = min(room, max(1, round(generator.uniform(*LASTING) * clip.fps)))
            onset = start + int(generator.integers(room - length + 1))
            emotion = EMOTIONS[int(generator.integers(len(EMOTIONS)))]
            made.append([onset, onset + length // 2, onset + length - 1, emotion])
        return made

    def _rows(self, arrays: list[Any], width: int) -> NDArray[float32]:
        import numpy as np

        drawn = np.empty((len(arrays), width), np.float32)
        for row, pixels in enumerate(arrays):
            drawn[row] = self._generator(pixels).standard_normal(width)
        return drawn

    def _generator(self, pixels: Any) -> Any:
        import numpy as np

        # The shape goes in too: a picture and its transposed shape may have the same bytes.
        mark = f"{self.seed} {pixels.shape} ".encode() + pixels.tobytes()
        return np.random.default_rng(int.from_bytes(hashlib.sha256(mark).digest(), "little"))


def _pixels(record: Any) -> Any:
    return record.frames if isinstance(record, bench.Clip) else record.pixels


class Constant:
    """Ones for everything, so that the first class is taken, and nothing is found."""

    def embed(self, faces: Sequence[bench.Face]) -> NDArray[float32]:
        """float32 [n, 128], all 1."""
        import numpy as np

        return np.ones((len(faces), DIMENSIONS), np.float32)

    def classify(self, records: Sequence[Any], labels: Sequence[str]) -> NDArray[float32]:
        """float32 [n, k], all 1."""
        import numpy as np

        return np.ones((len(records), len(labels)), np.float32)

    def spot(self, clip: bench.Clip) -> list[list[Any]]:
        """No interval."""
        return []


class Majority:
    """Answers with how often each class was seen in the training split, looking at no record."""

    def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
        """Count the labels."""
        import numpy as np

        yield bench.Snapshot(1, {"counts": np.bincount(examples.labels).astype(np.float32)})

    def restore(self, weights: Mapping[str, Any]) -> None:
        """Take the counts."""
        self.counts = weights["counts"]

    def classify(self, records: Sequence[Any], labels: Sequence[str]) -> NDArray[float32]:
        """float32 [n, k], each row the counts; a class that was never seen has 0."""
        import numpy as np

        row = np.zeros(len(labels), np.float32)
        row[: len(self.counts)] = self.counts
        return np.tile(row, (len(records), 1))


def load_random(given: bench.Load) -> Random:
    """Random vectors under the run's seed."""
    return Random(given.seed)


def load_constant(given: bench.Load) -> Constant:
    """The constant vector."""
    return Constant()


def load_majority(given: bench.Load) -> Majority:
    """Majority, still to be fitted."""
    return Majority()
