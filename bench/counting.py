"""The counting oracle: checks every question of an attack, counts its queries, and keeps what they led to.

It lives in the harness. Nothing that an attack sends is trusted: a question of another shape, with a number that is
not finite, or of a target that is none ends the attack; one past the budget is refused whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.answers import Table
from bench.errors import ContractBroken
from bench.metrics.inversion import BEST, LAST
from bench.oracle import ACCESS, EMBEDDING, GRADIENT, SIMILARITY
from bench.query_log import QueryLog
from bench.target import Target

if TYPE_CHECKING:
    from numpy import float32, float64, uint8
    from numpy.typing import NDArray

DIGITS = 4  # that scores are rounded to where queries are 8-bit: a hundredth of a percent of a cosine


@dataclass(frozen=True, slots=True)
class Terms:
    """What an attack is allowed: ``access`` of bench.oracle, ``budget`` queries a target.

    ``eight_bit``: queries are clipped to [0, 1] and rounded to 8 bits, scores to DIGITS digits; else both are as they
    are. ``height``, ``width``: of the images.
    """

    access: str
    budget: int
    eight_bit: bool
    height: int
    width: int

    def marks(self) -> list[int]:
        """The counts of queries at which what was reached is kept: 1, 2, 5, 10, … and the budget."""
        below = (lead * 10**power for power in range(len(str(self.budget))) for lead in (1, 2, 5))
        return [*(count for count in below if count < self.budget), self.budget]


def eight_bit(images: NDArray[float32]) -> NDArray[uint8]:
    """Images in [0, 1] as they are stored: clipped, rounded to 8 bits."""
    import numpy as np

    return np.rint(images.clip(0, 1) * np.float32(255)).astype(np.uint8)


class Reached:
    """What an attack has reached: for each target the best image queried and the last one yielded, at every mark."""

    def __init__(self, terms: Terms, targets: int) -> None:
        import numpy as np

        shape = (targets, terms.height, terms.width, 3)
        self.marks = terms.marks()
        self.queries, self.outside = np.zeros(targets, np.int64), np.zeros(targets, np.int64)
        self.best, self.score = np.zeros(shape, np.uint8), np.full(targets, -np.inf)
        self.last: NDArray[uint8] | None = None
        self._next = np.zeros(targets, np.int64)  # the mark that each target comes to next
        self._kept: dict[tuple[int, int, str], tuple[int, int, float, NDArray[uint8]]] = {}

    def query(self, target: int, score: float, outside: bool, image: Callable[[], NDArray[uint8]]) -> None:
        """One more query of a target; ``image()`` makes it 8-bit if it is the best so far."""
        self.queries[target] += 1
        self.outside[target] += outside
        if score > self.score[target]:
            self.score[target], self.best[target] = score, image()
        if self.queries[target] == self.marks[self._next[target]] and self._next[target] < len(self.marks) - 1:
            self._keep(target)

    def _keep(self, target: int) -> None:
        mark = self.marks[self._next[target]]
        counts = int(self.queries[target]), int(self.outside[target])
        self._kept[target, mark, BEST] = (*counts, float(self.score[target]), self.best[target].copy())
        if self.last is not None:
            self._kept[target, mark, LAST] = (*counts, float("nan"), self.last[target].copy())
        self._next[target] += 1

    def table(self) -> Table:
        """All that was kept, and for the marks not come to what there is at the end.

        Of a target that was never asked the image shown is the best there is.

        ``target`` int32, from 0; ``budget``, ``queries``, ``outside`` int64; ``image`` str, BEST or LAST; ``told``
        float64, the best one's score as it was told, else NaN; ``pixels`` uint8 [rows, height * width * 3].
        """
        import numpy as np

        for target in range(len(self.queries)):
            if not self.queries[target] and self.last is not None:
                self.best[target], self.score[target] = self.last[target], float("nan")
            while self._next[target] < len(self.marks):
                self._keep(target)
        rows = [(key, self._kept[key]) for key in sorted(self._kept)]
        return {
            "target": np.array([key[0] for key, _ in rows], np.int32),
            "budget": np.array([key[1] for key, _ in rows], np.int64),
            "image": [key[2] for key, _ in rows],
            "queries": np.array([kept[0] for _, kept in rows], np.int64),
            "outside": np.array([kept[1] for _, kept in rows], np.int64),
            "told": np.array([kept[2] for _, kept in rows], np.float64),
            "pixels": np.stack([kept[3].reshape(-1) for _, kept in rows]),
        }


class CountingOracle:
    """The oracle of one attack on some targets; ``tell`` makes of scores what the attack is told."""

    def __init__(
        self,
        terms: Terms,
        target: Target,
        log: QueryLog,
        name: str,
        tell: Callable[[NDArray[float64]], NDArray[float64]] | None = None,
    ) -> None:
        self.terms, self.target, self.log, self.name, self._tell = terms, target, log, name, tell
        self.reached = Reached(terms, len(target))

    def about(self) -> dict[str, Any]:
        """All that the attack's process is told before it asks."""
        terms = self.terms
        lengths = None if terms.access == SIMILARITY else self.target.lengths
        return {
            "targets": len(self.target),
            "height": terms.height,
            "width": terms.width,
            "access": terms.access,
            "lengths": lengths,
        }

    def answer(self, question: Any) -> dict[str, Any] | None:
        """Answer a question, or None where it would take a target past the budget.

        Raises ContractBroken for what is no question.
        """
        import numpy as np

        call, images, targets = self._checked(question)
        asked = np.bincount(targets, minlength=len(self.target))
        if (self.reached.queries + asked > self.terms.budget).any():
            return None
        flat = images.reshape(len(images), -1)
        lowest, highest = flat.min(axis=1, initial=np.inf), flat.max(axis=1, initial=-np.inf)
        if not (np.isfinite(lowest).all() and np.isfinite(highest).all()):
            raise self._broken("An image holds NaN or infinity.")
        pixels: NDArray[Any] = eight_bit(images) if self.terms.eight_bit else images * np.float32(255)
        digest = zlib.crc32(images.data, zlib.crc32(targets.data, ACCESS.index(call)))
        told = self._told(call, pixels, targets, digest)
        for i, target in enumerate(targets.tolist()):
            beyond = bool(lowest[i] < 0 or highest[i] > 1)
            self.reached.query(target, float(told["scores"][i]), beyond, lambda i=i: eight_bit(images[i]))  # type: ignore[misc]
        return told

    def show(self, images: Any) -> None:
        """Take what the attack yielded; raises ContractBroken for what are no images of the targets."""
        import numpy as np

        shape = (len(self.target), self.terms.height, self.terms.width, 3)
        if not isinstance(images, np.ndarray) or images.dtype != np.float32 or images.shape != shape:
            found = f"{images.dtype} {list(images.shape)}" if isinstance(images, np.ndarray) else type(images).__name__
            raise self._broken(f"It yielded {found}.", f"Yield float32 {list(shape)}: an image a target.")
        if not np.isfinite(images).all():
            raise self._broken("It yielded NaN or infinity.")
        self.reached.last = eight_bit(images)

    def finish(self) -> Table:
        """What the attack reached, its queries on disk; raises ContractBroken where it showed nothing."""
        self.log.flush()
        if self.reached.last is None:
            raise self._broken("It ended without yielding an image.", "Yield float32 [t, height, width, 3] at the end.")
        return self.reached.table()

    def _checked(self, question: Any) -> tuple[str, NDArray[float32], NDArray[Any]]:
        import numpy as np

        terms = self.terms
        match question:
            case {"call": str(call), "images": np.ndarray() as images, "targets": np.ndarray() as targets}:
                pass
            case _:
                raise self._broken("It asked for something that is no call of bench.Oracle.")
        if call not in ACCESS[: ACCESS.index(terms.access) + 1]:
            raise self._broken(f"It asked for {call[:40]!r}; the access is {terms.access}.")
        if images.dtype != np.float32 or images.ndim != 4 or images.shape[1:] != (terms.height, terms.width, 3):
            found = f"Its images are {images.dtype} {list(images.shape)}."
            raise self._broken(found, f"Give float32 [n, {terms.height}, {terms.width}, 3].")
        if targets.dtype != np.int64 or targets.shape != images.shape[:1] or not len(targets):
            found = f"Its targets are {targets.dtype} {list(targets.shape)} for {len(images)} images."
            raise self._broken(found, "Give a target for each image, and at least one.")
        if targets.min() < 0 or targets.max() >= len(self.target):
            raise self._broken(f"It asked for target {targets.min()} or {targets.max()} of {len(self.target)}.")
        return call, images, targets

    def _told(self, call: str, pixels: NDArray[Any], targets: NDArray[Any], digest: int) -> dict[str, Any]:
        """Ask the target, or the log; gradients are not logged, and asked again."""
        import numpy as np

        embeddings = None
        if self.log.replaying:
            logged = self.log.again(digest, len(targets))
        else:
            embeddings = self.target.embeddings(pixels)
            logged = {"target": targets.astype(np.int32), "score": self._scored(embeddings, targets)}
            if self.terms.access != SIMILARITY:
                logged["embedding"] = embeddings
            self.log.add(digest, logged)
        told = {"scores": logged["score"]}
        if call == EMBEDDING:
            told["embeddings"] = logged["embedding"]
        if call == GRADIENT:
            images = (pixels / np.float32(255)).astype(np.float32, copy=False)
            told["gradients"] = self.target.gradients(images, logged["embedding"], targets)
        return told

    def _scored(self, embeddings: NDArray[float32], targets: NDArray[Any]) -> NDArray[float64]:
        scores = self.target.scores(embeddings, targets)
        if self._tell is not None:
            scores = self._tell(scores)
        return scores.round(DIGITS) if self.terms.eight_bit else scores

    def _broken(self, found: str, do: str = "") -> ContractBroken:
        return ContractBroken(f"{self.name} attacked {len(self.target)} targets.", found, do)
