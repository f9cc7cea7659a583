"""Methods for tests: one perfect, one fair, and every way to misbehave."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import bench
from bench.alignment import TEMPLATE

ALIGNER = {"tasks": frozenset({"alignment"}), "inputs": frozenset({"raw"})}


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    return [
        *(_method(name, kind) for name, kind in METHODS.items()),
        *(_method(name, kind, trainable=True) for name, kind in TRAINABLE.items()),
        _method("toy-raw", Toy, inputs=frozenset({"raw"})),
        _method("toy-crops", Toy, inputs=frozenset({"arcface-112"})),
        _method("finds-some", FindsSome, **ALIGNER),
        _method("finds-boxes", FindsBoxes, **ALIGNER),
        _method("toy-euclidean", Toy, similarity="euclidean"),
        _method("toy-needs", Toy, needs=("no_such_package",)),
        _method("toy-personality", Toy, tasks=frozenset({"personality"})),
        _method("toy-big-batch", Toy, batch=64),
        _method(
            "toy-option", Toy, options=(bench.Option("gain", 1.0, "a factor"), bench.Option("loud", False, "more"))
        ),
    ]


def _method(name: str, kind: Callable[[bench.Load], Any], **card: Any) -> bench.Method:
    given = {
        "tasks": frozenset({"verification", "identification"}),
        "inputs": frozenset({"arcface-112", "raw"}),
        "batch": 8,
    } | card
    return bench.Method(name=name, load=kind, licence="Apache-2.0", about="for tests", **given)


class Toy:
    """Coarse grey picture less its mean: fair where identities differ coarsely."""

    def __init__(self, given: bench.Load) -> None:
        self.given = given

    def embed(self, faces: Sequence[bench.Face]) -> Any:
        return np.stack([self.vector(face) for face in faces])

    def vector(self, face: bench.Face) -> Any:
        grey = face.pixels.mean(axis=2, dtype=np.float32)
        rows = np.array_split(grey, 8)
        coarse = np.array([[cell.mean() for cell in np.array_split(row, 8, axis=1)] for row in rows], np.float32)
        return (coarse - coarse.mean()).reshape(-1)


class Perfect(Toy):
    """Reads the code that the synthetic pictures carry in their left half."""

    def vector(self, face: bench.Face) -> Any:
        stripes = np.array_split(face.pixels[:, :40].mean(axis=(1, 2)), 8)
        return np.array([1 if stripe.mean() > 127 else -1 for stripe in stripes], np.float32)


class FailsSome(Toy):
    """No vector for faces that are dark at one corner."""

    def vector(self, face: bench.Face) -> Any:
        vector = super().vector(face)
        return vector * np.nan if face.pixels[0, 0, 0] < 128 else vector


class FailsAll(Toy):
    def vector(self, face: bench.Face) -> Any:
        return super().vector(face) * np.nan


class RaisesSome(Toy):
    def vector(self, face: bench.Face) -> Any:
        if face.pixels[0, 0, 0] < 128:
            raise ValueError("no face here")
        return super().vector(face)


class RaisesAlways(Toy):
    def embed(self, faces: Sequence[bench.Face]) -> Any:
        raise RuntimeError("I never work")


class RaisesInLoad(Toy):
    def __init__(self, given: bench.Load) -> None:
        raise OSError("my weights are gone")


class Prints(Toy):
    def embed(self, faces: Sequence[bench.Face]) -> Any:
        print("hello from the method")
        os.write(1, b"and from below Python\n")
        print("x" * 200_000)
        return super().embed(faces)


class WrongShape(Toy):
    def embed(self, faces: Sequence[bench.Face]) -> Any:
        return super().embed(faces)[:, :, None]


class OneRowShort(Toy):
    def embed(self, faces: Sequence[bench.Face]) -> Any:
        return super().embed(faces)[:-1]


class WrongType(Toy):
    def embed(self, faces: Sequence[bench.Face]) -> Any:
        return super().embed(faces).astype(np.float64)


class NotAnArray(Toy):
    def embed(self, faces: Sequence[bench.Face]) -> Any:
        return object()


class OutOfOrder(Toy):
    """Sorts its answers, so that row i is not face i's."""

    def embed(self, faces: Sequence[bench.Face]) -> Any:
        vectors = super().embed(faces)
        return vectors[np.argsort(vectors[:, 0])]


class ByKey(Toy):
    def embed(self, faces: Sequence[bench.Face]) -> Any:
        return super().embed(sorted(faces, key=lambda face: face.key))


class Unrepeatable(Toy):
    def embed(self, faces: Sequence[bench.Face]) -> Any:
        return np.random.default_rng().standard_normal((len(faces), 4)).astype(np.float32)


class Exits(Toy):
    def embed(self, faces: Sequence[bench.Face]) -> Any:
        sys.exit(3)


class Dies(Toy):
    def embed(self, faces: Sequence[bench.Face]) -> Any:
        os._exit(7)


class Segfaults(Toy):
    def embed(self, faces: Sequence[bench.Face]) -> Any:
        import ctypes

        ctypes.string_at(0)


class Hungry(Toy):
    def embed(self, faces: Sequence[bench.Face]) -> Any:
        eaten = []
        while True:
            eaten.append(np.ones(4_000_000))
            time.sleep(0.01)


class HungryInLargeBatches(Toy):
    """Works in batches of at most two."""

    def embed(self, faces: Sequence[bench.Face]) -> Any:
        if len(faces) > 2:
            raise MemoryError("too many at once")
        return super().embed(faces)


class Meddles(Toy):
    """Writes on its inputs."""

    def vector(self, face: bench.Face) -> Any:
        face.pixels[0, 0, 0] = 255
        return super().vector(face)


class Slow(Toy):
    def embed(self, faces: Sequence[bench.Face]) -> Any:
        time.sleep(0.02)
        return super().embed(faces)


class Looks(Toy):
    """Answers what it can see of the harness: whether a data root is named in its environment."""

    def vector(self, face: bench.Face) -> Any:
        return np.array([1.0, float("FACEBENCH_DATA" in os.environ), float(len(face.key))], np.float32)


class Spy(Perfect):
    """Fitted: remembers whom it saw, and has a vector for all others only."""

    def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
        seen = np.stack([Perfect.vector(self, face) for face in examples])
        yield bench.Snapshot(1, {"seen": seen, "labels": examples.labels})

    def restore(self, weights: Mapping[str, Any]) -> None:
        self.seen = {row.tobytes() for row in weights["seen"]}

    def vector(self, face: bench.Face) -> Any:
        vector = super().vector(face)
        return vector * np.nan if vector.tobytes() in self.seen else vector


class Steps(Toy):
    """Fitted in steps that take time; goes on from the state it is handed."""

    def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
        total = np.zeros(64, np.float32) if last is None else last.state["total"]
        for step in range(0 if last is None else last.step, 4):
            batch = examples.take(range(step, len(examples), 4))
            total = total + np.stack([Toy.vector(self, face) for face in batch]).sum(axis=0)
            yield bench.Snapshot(step + 1, {"mean": total / len(examples)}, {"total": total})
            time.sleep(0.05)

    def restore(self, weights: Mapping[str, Any]) -> None:
        self.mean = weights["mean"]

    def vector(self, face: bench.Face) -> Any:
        return super().vector(face) - self.mean


class FitsNothing(Steps):
    def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
        yield from ()


class FitRaises(Steps):
    def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
        raise ValueError("no loss left")
        yield


class FitsATuple(Steps):
    def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[Any]:
        yield (1, {"mean": 0})


class FitsAList(Steps):
    def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
        yield bench.Snapshot(1, {"mean": [0.0]})  # type: ignore[dict-item]


class CannotRestore(Steps):
    def restore(self, weights: Mapping[str, Any]) -> None:
        raise KeyError("bias")


class FindsSome:
    """The face fills the picture; none in those that are dark at one corner."""

    def __init__(self, given: bench.Load) -> None:
        self.given = given

    def landmarks(self, faces: Sequence[bench.Face]) -> Any:
        template = np.array(TEMPLATE, np.float32)
        found = [template * (face.pixels.shape[0] / 112) for face in faces]
        dark = [face.pixels[0, 0, 0] < 128 for face in faces]
        return np.stack([points * (np.nan if gone else 1) for points, gone in zip(found, dark, strict=True)])


class FindsBoxes(FindsSome):
    def landmarks(self, faces: Sequence[bench.Face]) -> Any:
        return np.zeros((len(faces), 4), np.float32)


TRAINABLE: dict[str, Any] = {
    "spy": Spy,
    "steps": Steps,
    "fits-nothing": FitsNothing,
    "fit-raises": FitRaises,
    "fits-a-tuple": FitsATuple,
    "fits-a-list": FitsAList,
    "cannot-restore": CannotRestore,
}
METHODS: dict[str, Any] = {
    "toy": Toy,
    "perfect": Perfect,
    "fails-some": FailsSome,
    "fails-all": FailsAll,
    "raises-some": RaisesSome,
    "raises-always": RaisesAlways,
    "raises-in-load": RaisesInLoad,
    "prints": Prints,
    "wrong-shape": WrongShape,
    "one-row-short": OneRowShort,
    "wrong-type": WrongType,
    "not-an-array": NotAnArray,
    "out-of-order": OutOfOrder,
    "by-key": ByKey,
    "unrepeatable": Unrepeatable,
    "exits": Exits,
    "dies": Dies,
    "segfaults": Segfaults,
    "hungry": Hungry,
    "hungry-in-large-batches": HungryInLargeBatches,
    "meddles": Meddles,
    "slow": Slow,
    "looks": Looks,
}
