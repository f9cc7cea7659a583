"""Rules of an attack and of a protection: an attack is let loose on drawn faces behind a small linear embedder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench import samples
from bench.counting import CountingOracle, Terms
from bench.errors import ContractBroken, FacebenchError
from bench.method import Configured, Load, Method, Origin
from bench.oracle import GRADIENT
from bench.probing import Broken, Check, NotAsked, Subject
from bench.protecting import Protected
from bench.query_log import QueryLog
from bench.records import Face
from bench.target import Target
from bench.worker import Raised, Worker

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

TARGETS, BUDGET, BATCH, CELL = 2, 400, 4, 8
DIMENSIONS, ROWS = 64, 50


class Linear:
    """An Embedder, and Differentiable: a drawn linear map of the means of 8x8 cells."""

    def __init__(self, given: Load) -> None:
        import numpy as np

        self._generator, self._map = np.random.default_rng(0), np.zeros((0, DIMENSIONS), np.float32)

    def embed(self, faces: Sequence[Face]) -> NDArray[float32]:
        """float32 [n, 64] of faces whose sides are multiples of 8."""
        import numpy as np

        return self._embed(np.stack([face.pixels.astype(np.float32) / 255 for face in faces]))

    def gradient(
        self, images: NDArray[float32], direction: NDArray[float32]
    ) -> tuple[NDArray[float32], NDArray[float32]]:
        """Embeddings, and the slopes of their products with ``direction``."""
        import numpy as np

        embeddings, (count, height, width, _) = self._embed(images), images.shape
        cells = (direction @ self._map.T).reshape(count, height // CELL, 1, width // CELL, 1, 3) / CELL**2
        spread = np.broadcast_to(cells, (count, height // CELL, CELL, width // CELL, CELL, 3))
        return embeddings, spread.reshape(images.shape).astype(np.float32)

    def _embed(self, images: NDArray[float32]) -> NDArray[float32]:
        import numpy as np

        count, height, width, _ = images.shape
        cells = images.reshape(count, height // CELL, CELL, width // CELL, CELL, 3).mean(axis=(2, 4))
        means = cells.reshape(count, -1)
        if not len(self._map):
            self._map = self._generator.normal(size=(means.shape[1], DIMENSIONS)).astype(np.float32)
        embeddings: NDArray[float32] = means @ self._map
        return embeddings


@contextmanager
def _target(subject: Subject) -> Iterator[Target]:
    """Two drawn faces behind the linear embedder."""
    import numpy as np

    card = Method("linear", frozenset({"verification"}), Linear)
    with Worker(
        Configured.parse(card, "", Origin("script", "", "", "", "", "")), Load(), subject.folder / "toy"
    ) as made:
        pictures = np.stack([face.pixels for face in samples.faces(TARGETS, subject.size, seed=9)])
        templates = Target(made, np.zeros((1, DIMENSIONS), np.float32), BATCH, False).embeddings(pictures)
        yield Target(made, templates, BATCH, False)


def _let_loose(subject: Subject, log: Path) -> CountingOracle:
    """The attack to the end of its budget; raises Broken where it breaks its contract or fails."""
    height, width = subject.size
    with _target(subject) as target, subject.lend() as attacker:
        terms = Terms(GRADIENT, BUDGET, False, height, width)
        oracle = CountingOracle(terms, target, QueryLog(log, BUDGET // 4), str(subject.configured))
        try:
            for images in attacker.invert(oracle.about(), oracle.answer):
                oracle.show(images)
            oracle.finish()
        except ContractBroken as error:
            raise Broken(f"invert(): {error.found} {error.do}".strip()) from None
        except FacebenchError as error:
            do = "Let BudgetSpent through, or catch it and yield once more."
            raise Broken(f"invert() with a budget of {BUDGET} queries a target: {error.found} {do}") from None
    return oracle


def _invert(subject: Subject) -> None:
    with subject.lend() as worker:
        named = worker.call("__dir__")
    if not isinstance(named, Raised) and "invert" not in named:
        raise Broken("It has no invert(): add `def invert(self, oracle)` to what load() returns.")


def _shows(subject: Subject) -> None:
    with tempfile.TemporaryDirectory(dir=subject.folder) as log:
        oracle = _let_loose(subject, Path(log))
    if not oracle.reached.queries.all():
        asked = f"{int((oracle.reached.queries > 0).sum())} of {TARGETS}"
        raise Broken(f"It asked for {asked} targets. Attack every target of the oracle: range(oracle.targets).")


def _replays(subject: Subject) -> None:
    import numpy as np

    with tempfile.TemporaryDirectory(dir=subject.folder) as log:
        try:
            once = _let_loose(subject, Path(log))
        except Broken:
            raise NotAsked("It does not come to an end: see 'shows'.") from None
        again = _let_loose(subject, Path(log))
    if not np.array_equal(once.reached.last, again.reached.last):  # type: ignore[arg-type]
        do = "Draw from numpy.random.Generator(PCG64([given.seed, target])) alone."
        raise Broken(f"With the same seed and answers it showed other images. {do}")


def _protects(subject: Subject) -> None:
    import numpy as np

    vectors = np.random.default_rng(0).normal(size=(ROWS, DIMENSIONS)).astype(np.float32)
    scores, threshold = np.linspace(-1, 1, ROWS), 0.3
    with subject.lend() as worker:
        protected = Protected(worker)
        try:
            kept, told = protected.protect(vectors), protected.tell(scores, threshold)
            alone = np.concatenate([protected.protect(row[None]) for row in vectors])
            protected.most_queries()
        except FacebenchError as error:
            raise Broken(f"{error.asked} {error.found} {error.do}".strip()) from None
    if not np.allclose(kept, alone, atol=1e-5):
        raise Broken("protect() of a row depends on the others: protect each row apart, by a key that stays.")
    if (np.diff(told) < 0).any():
        raise Broken("tell() turns the order of scores: a higher score is told no lower.")


ATTACKS = (
    Check("calls", "it has its contract's calls", _invert),
    Check("shows", "it yields an image of every target, within any budget", _shows),
    Check("replays", "given the same answers it asks the same and shows the same", _replays),
)
PROTECTIONS = (Check("protects", "rows and scores are taken one by one, higher stays higher", _protects),)
