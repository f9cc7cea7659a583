"""For every check of conformance a method that breaks that rule, and as far as can be no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import bench


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    trainable = {kind for kind in METHODS.values() if hasattr(kind, "fit") and kind is not UnsaidFit}
    return [
        *(card(name, kind, trainable=kind in trainable) for name, kind in METHODS.items() if name not in RAW),
        *(card(name, METHODS[name], inputs=frozenset({"raw"})) for name in RAW),
        *(card(name, Good, **wrong) for name, wrong in CARDS.items()),
    ]


def card(name: str, load: Callable[[bench.Load], Any], **other: Any) -> bench.Method:
    given: dict[str, Any] = {"tasks": frozenset({"verification"}), "inputs": frozenset({"raw", "arcface-112"})}
    given |= {"licence": "Apache-2.0", "about": "for tests", "cite": "nobody", "needs": ("numpy",)}
    return bench.Method(name, load=load, **{**given, **other})


class Good:
    """Coarse grey pictures; the others spoil it, each in one way."""

    def __init__(self, given: bench.Load) -> None:
        self.given = given

    def embed(self, faces: Any) -> Any:
        import numpy as np

        return np.stack([self.vector(face) for face in faces]).astype(np.float32)

    def vector(self, face: bench.Face) -> Any:
        import numpy as np

        rows, columns = (np.linspace(0, side - 1, 8).round().astype(int) for side in face.pixels.shape[:2])
        return face.pixels[rows][:, columns].mean(axis=2).ravel()


class RaisesInLoad(Good):
    def __init__(self, given: bench.Load) -> None:
        raise OSError("my weights are gone")


class ImportsWhatIsNotThere(Good):
    def __init__(self, given: bench.Load) -> None:
        import no_such_package  # type: ignore[import-not-found]  # noqa: F401


class LooksUpAHost(Good):
    def __init__(self, given: bench.Load) -> None:
        import socket

        socket.getaddrinfo("localhost", 80)


class NoEmbed:
    def __init__(self, given: bench.Load) -> None:
        self.extract = Good(given).embed


class AnswersAList(Good):
    def embed(self, faces: Any) -> Any:
        return super().embed(faces).tolist()


class AnswersFloat64(Good):
    def embed(self, faces: Any) -> Any:
        return super().embed(faces).astype("float64")


class AnswersOneRowLess(Good):
    def embed(self, faces: Any) -> Any:
        return super().embed(faces)[1:]


class AnswersOneDimension(Good):
    def embed(self, faces: Any) -> Any:
        return super().embed(faces).ravel()


class AnswersHalfARow(Good):
    def vector(self, face: bench.Face) -> Any:
        vector = super().vector(face)
        vector[:3] = float("nan")
        return vector


class AnswersInfinity(Good):
    def vector(self, face: bench.Face) -> Any:
        return super().vector(face) * float("inf")


class Dies(Good):
    def vector(self, face: bench.Face) -> Any:
        import os

        os._exit(7)


class Sorts(Good):
    def embed(self, faces: Any) -> Any:
        return super().embed(sorted(faces, key=lambda face: float(face.pixels.mean())))


class CentresTheBatch(Good):
    def embed(self, faces: Any) -> Any:
        vectors = super().embed(faces)
        return vectors - vectors.mean(axis=0)


class Draws(Good):
    def vector(self, face: bench.Face) -> Any:
        import numpy as np

        return np.random.default_rng().standard_normal(8)


class DrawsInLoad(Good):
    def __init__(self, given: bench.Load) -> None:
        import numpy as np

        self.factor = np.random.default_rng().uniform(1, 2)

    def vector(self, face: bench.Face) -> Any:
        return super().vector(face) * self.factor


class RaisesOnFlat(Good):
    def vector(self, face: bench.Face) -> Any:
        if face.pixels.min() == face.pixels.max():
            raise ValueError("no face here")
        return super().vector(face)


class RaisesOnSmall(Good):
    def vector(self, face: bench.Face) -> Any:
        return super().vector(bench.Face(face.key, face.pixels[: len(face.pixels) // 8 * 8].reshape(8, -1, 3)))[:8]


class OneFailureFailsAll(Good):
    def embed(self, faces: Any) -> Any:
        vectors = super().embed(faces)
        flat = any(face.pixels.min() == face.pixels.max() for face in faces)
        return vectors * float("nan") if flat else vectors


class ReadsKeys(Good):
    def vector(self, face: bench.Face) -> Any:
        return super().vector(face) + len(face.key)


class ParsesKeys(Good):
    def vector(self, face: bench.Face) -> Any:
        return super().vector(face) + int(face.key.rpartition("-")[2])


class WritesIntoPixels(Good):
    def vector(self, face: bench.Face) -> Any:
        face.pixels[:8] = 0
        return super().vector(face)


class CachesByKey(Good):
    def __init__(self, given: bench.Load) -> None:
        self.cache: dict[str, Any] = {}

    def vector(self, face: bench.Face) -> Any:
        if face.key not in self.cache:
            self.cache[face.key] = super().vector(face)
        return self.cache[face.key]


class Fitted(Good):
    """Grey pictures less their mean over the examples, in two steps of a seeded draw."""

    def fit(self, examples: bench.Examples, last: bench.Snapshot | None) -> Iterator[bench.Snapshot]:
        import numpy as np

        mean = np.mean([Good.vector(self, face) for face in examples], axis=0)
        for step in range(last.step + 1 if last else 1, 3):
            mean = (last.weights["mean"] if last and step == last.step + 1 else mean) + self.drawn(step)
            yield bench.Snapshot(step, {"mean": mean})

    def drawn(self, step: int) -> Any:
        return step

    def restore(self, weights: Any) -> None:
        self.mean = weights["mean"]

    def vector(self, face: bench.Face) -> Any:
        return super().vector(face) - self.mean


class UnsaidFit(Fitted):
    def __init__(self, given: bench.Load) -> None:
        self.mean = 0.0


class NoRestore(Good):
    def fit(self, examples: Any, last: Any) -> Any:
        yield bench.Snapshot(1, {})


class YieldsNothing(Fitted):
    def fit(self, examples: Any, last: Any) -> Any:
        yield from ()


class YieldsADict(Fitted):
    def fit(self, examples: Any, last: Any) -> Any:
        yield {"mean": 0.0}


class RaisesInFit(Fitted):
    def fit(self, examples: Any, last: Any) -> Any:
        raise ValueError("too few examples")


class RestoresBadly(Fitted):
    def restore(self, weights: Any) -> None:
        self.mean = weights["average"]


class RestoresOnTop(Fitted):
    """Adds to the weights it had."""

    mean: Any = 0.0

    def restore(self, weights: Any) -> None:
        self.mean = self.mean + weights["mean"]


class FitsAtRandom(Fitted):
    def drawn(self, step: int) -> Any:
        import numpy as np

        return np.random.default_rng().uniform(0, 9)


class ForgetsWhereItWas(Fitted):
    def fit(self, examples: Any, last: Any) -> Any:
        import numpy as np

        mean = np.zeros(64) if last else np.mean([Good.vector(self, face) for face in examples], axis=0)
        for step in (1, 2):
            yield bench.Snapshot(step, {"mean": mean + step})


class FindsNobody(Good):
    def vector(self, face: bench.Face) -> Any:
        return super().vector(face) * float("nan")


RAW = ("raises-on-small",)  # asked pictures of any size
METHODS: dict[str, Any] = {
    "good": Good,
    "good-fitted": Fitted,
    "raises-in-load": RaisesInLoad,
    "imports-what-is-not-there": ImportsWhatIsNotThere,
    "looks-up-a-host": LooksUpAHost,
    "no-embed": NoEmbed,
    "a-list": AnswersAList,
    "float64": AnswersFloat64,
    "one-row-less": AnswersOneRowLess,
    "one-dimension": AnswersOneDimension,
    "half-a-row": AnswersHalfARow,
    "infinity": AnswersInfinity,
    "dies-when-asked": Dies,
    "sorts": Sorts,
    "centres-the-batch": CentresTheBatch,
    "draws": Draws,
    "draws-in-load": DrawsInLoad,
    "raises-on-flat": RaisesOnFlat,
    "raises-on-small": RaisesOnSmall,
    "one-failure-fails-all": OneFailureFailsAll,
    "reads-keys": ReadsKeys,
    "parses-keys": ParsesKeys,
    "writes-into-pixels": WritesIntoPixels,
    "caches-by-key": CachesByKey,
    "unsaid-fit": UnsaidFit,
    "no-restore": NoRestore,
    "yields-nothing": YieldsNothing,
    "yields-a-dict": YieldsADict,
    "raises-in-fit": RaisesInFit,
    "restores-badly": RestoresBadly,
    "restores-on-top": RestoresOnTop,
    "fits-at-random": FitsAtRandom,
    "forgets-where-it-was": ForgetsWhereItWas,
    "finds-nobody": FindsNobody,
}
CARDS: dict[str, dict[str, Any]] = {
    "no-licence": {"licence": " "},
    "no-about": {"about": ""},
    "no-inputs": {"inputs": frozenset()},
    "no-tasks": {"tasks": frozenset()},
    "misspelt-task": {"tasks": frozenset({"verificaton"})},
    "no-cite": {"cite": ""},
    "withdrawn-elsewhere": {"withdrawn": ("MS-Celeb-1M",)},
    "needs-what-is-not-there": {"needs": ("no_such_package",)},
    "planned-task": {"tasks": frozenset({"personality"})},
    "planned-task-too": {"tasks": frozenset({"personality", "verification"})},
    "needs-weights": {"weights": bench.Folder("nowhere", {"a.safetensors": "0" * 64}, source="https://example.org")},
}
