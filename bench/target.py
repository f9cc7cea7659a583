"""The embedder under attack, as its oracle uses it: scores of images against templates, in calls of one size."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.embedding import EMBED
from bench.errors import ContractBroken, MethodFailed
from bench.records import Face
from bench.worker import Raised, Worker

if TYPE_CHECKING:
    from numpy import float32, float64
    from numpy.typing import NDArray

MOST_AT_ONCE = 64
REPEATS = 2
WITHIN = 1.05  # of the soonest: then the larger size


def best_batch(worker: Worker, pixels: NDArray[Any], queries: int) -> int:
    """The size of calls in which the worker answers ``queries`` images soonest, measured on copies of one image.

    ``pixels``: [height, width, 3], as queries will have them. A last call is filled up, and that counts. Of sizes that
    are about as soon it is the largest.
    """
    parts = {-(-queries // k) for k in range(1, 5)}
    sizes = sorted({size for size in parts | {1, 2, 4, 8, 16, 32, MOST_AT_ONCE} if size <= MOST_AT_ONCE})
    measured, took = min(queries, MOST_AT_ONCE), {}
    for size in sizes:
        faces, times = [Face("0", pixels)] * size, []
        _checked(worker, worker.call("embed", faces), size)  # the first may still warm up
        for _ in range(REPEATS):
            began = time.perf_counter()
            for _ in range(0, measured, size):  # as long for each size, as a short call is disturbed less
                _checked(worker, worker.call("embed", faces), size)
            times.append(time.perf_counter() - began)
        took[size] = min(times)
    soonest = min(took.values())
    return max(size for size in sizes if took[size] <= WITHIN * soonest)


def _checked(worker: Worker, value: Any, count: int) -> NDArray[float32]:
    if isinstance(value, Raised):
        found = f"It raised {value.type}: {value.text}"
        do = "One that takes 8-bit images only is attacked with queries=8bit."
        raise MethodFailed(f"{worker.name} was asked to embed {count} queries.", found, do)
    embeddings: NDArray[float32] = EMBED.check(value, count)["embedding"]
    return embeddings


class Target:
    """Templates of faces and the worker that made them.

    ``templates``: float32 [t, d]; ``batch``: images a call; ``euclidean``: whether scores are minus distances, else
    cosines; ``protect``: what is made of an embedding before it is compared. An image of which nothing is made scores
    as the most unlike vector of the template's length would.
    """

    def __init__(
        self,
        worker: Worker,
        templates: NDArray[float32],
        batch: int,
        euclidean: bool,
        protect: Callable[[NDArray[float32]], NDArray[float32]] | None = None,
    ) -> None:
        import numpy as np

        self.worker, self.batch, self.euclidean, self._protect = worker, batch, euclidean, protect
        self._templates = templates.astype(np.float64)
        self.lengths: NDArray[float64] = np.linalg.norm(self._templates, axis=1)
        if not euclidean:
            self._templates /= np.maximum(self.lengths, 1e-300)[:, None]

    def __len__(self) -> int:
        return len(self._templates)

    def embeddings(self, pixels: NDArray[Any]) -> NDArray[float32]:
        """float32 [n, d] of images in 0 to 255, [n, height, width, 3], the last call filled up to the one size."""
        import numpy as np

        found: list[Any] = []
        for start in range(0, len(pixels), self.batch):
            if not self.worker.room:
                found.append(self.worker.receive())
            faces = [Face(str(i), image) for i, image in enumerate(pixels[start : start + self.batch])]
            self.worker.send("embed", faces + faces[-1:] * (self.batch - len(faces)))
        while self.worker.outstanding:
            found.append(self.worker.receive())
        rows = np.concatenate([_checked(self.worker, value, self.batch) for value in found])[: len(pixels)]
        return rows if self._protect is None else self._protect(rows)

    def scores(self, embeddings: NDArray[float32], targets: NDArray[Any]) -> NDArray[float64]:
        """float64 [n]: each embedding against the template of its target."""
        import numpy as np

        found, templates = embeddings.astype(np.float64), self._templates[targets]
        if self.euclidean:
            scores, worst = -np.linalg.norm(found - templates, axis=1), -2 * self.lengths[targets]
        else:
            scores, worst = (_units(found) * templates).sum(axis=1).clip(-1, 1), np.full(len(targets), -1.0)
        answered: NDArray[float64] = np.where(np.isfinite(scores), scores, worst)
        return answered

    def gradients(
        self, images: NDArray[float32], embeddings: NDArray[float32], targets: NDArray[Any]
    ) -> NDArray[float32]:
        """float32 [n, height, width, 3], d(score)/d(image), of images in [0, 1] with these embeddings.

        Of a cosine s of embedding e and unit template t: d(s)/d(e) = (t - s e/|e|) / |e|; of a distance the unit vector
        from e to t. An image of which nothing is made has a gradient of 0.
        """
        import numpy as np

        found, templates = embeddings.astype(np.float64), self._templates[targets]
        if self.euclidean:
            direction = _units(templates - found)
        else:
            unit = _units(found)
            along = (unit * templates).sum(axis=1, keepdims=True)
            direction = (templates - along * unit) / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-300)
        there = np.isfinite(direction).all(axis=1, keepdims=True)
        along_these: NDArray[float32] = np.where(there, direction, 0).astype(np.float32)
        made = np.empty_like(images)
        for start in range(0, len(images), self.batch):
            rows = slice(start, start + self.batch)
            made[rows] = self._slopes(images[rows], along_these[rows])
        return made

    def _slopes(self, images: NDArray[float32], direction: NDArray[float32]) -> NDArray[float32]:
        import numpy as np

        value = self.worker.call("gradient", *(_filled(rows, self.batch) for rows in (images, direction)))
        if isinstance(value, Raised):
            found = f"It raised {value.type}: {value.text}"
            raise MethodFailed(f"{self.worker.name} was asked for a gradient.", found)
        match value:
            case [_, slopes] if isinstance(slopes, np.ndarray) and slopes.shape == (self.batch, *images.shape[1:]):
                if slopes.dtype == np.float32 and np.isfinite(slopes[: len(images)]).all():
                    return slopes[: len(images)]
        found = "It did not return an embedding and a finite float32 gradient of the images' shape."
        raise ContractBroken(f"{self.worker.name} was asked for a gradient.", found)


def _units(vectors: NDArray[float64]) -> NDArray[float64]:
    import numpy as np

    units: NDArray[float64] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)
    return units


def _filled(rows: NDArray[float32], count: int) -> NDArray[float32]:
    import numpy as np

    return np.concatenate([rows, np.repeat(rows[-1:], count - len(rows), axis=0)])
