"""What an attack asks: a handle in the attack's own process; what it stands for is in the harness and behind it.

The handle knows how many targets there are, what images they take and which answers are given, and nothing else:
neither a template nor what made it, neither the budget nor how much of it is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bench.errors import BudgetSpent

if TYPE_CHECKING:
    from numpy import float32, float64
    from numpy.typing import ArrayLike, NDArray

SIMILARITY, EMBEDDING, GRADIENT = "similarity", "embedding", "gradient"
ACCESS = (SIMILARITY, EMBEDDING, GRADIENT)  # each gives what those before it give


class Oracle:
    """Compares images with the templates of ``targets`` faces, each face counted apart.

    ``height``, ``width``: of the images; ``access``: "similarity", "embedding" or "gradient", each with what those
    before it give; ``lengths``: float64 [targets], Euclidean lengths of the templates, None with similarity alone.

    Every call takes ``images``, float32 [n, height, width, 3], RGB nominally in [0, 1], and ``targets``, integers [n],
    whose template each image is compared with; every image is a query of its target. Scores are higher for more alike;
    arrays that come back are read-only. Raises BudgetSpent for a call that would take any target past its budget, of
    which nothing is answered or counted, and ValueError for more than the access gives.
    """

    def __init__(self, about: Mapping[str, Any], ask: Callable[[dict[str, Any]], Any]) -> None:
        self.targets: int = about["targets"]
        self.height: int = about["height"]
        self.width: int = about["width"]
        self.access: str = about["access"]
        self.lengths: NDArray[float64] | None = about["lengths"]
        self._ask = ask

    def similarity(self, images: ArrayLike, targets: ArrayLike) -> NDArray[float64]:
        """Return the scores, float64 [n]."""
        scores: NDArray[float64] = self._answer(SIMILARITY, images, targets)["scores"]
        return scores

    def embedding(self, images: ArrayLike, targets: ArrayLike) -> tuple[NDArray[float64], NDArray[float32]]:
        """Return the scores and the images' own embeddings, float32 [n, d]."""
        answer = self._answer(EMBEDDING, images, targets)
        return answer["scores"], answer["embeddings"]

    def gradient(self, images: ArrayLike, targets: ArrayLike) -> tuple[NDArray[float64], NDArray[float32]]:
        """Return the scores and d(score)/d(image in [0, 1]), float32 [n, height, width, 3]."""
        answer = self._answer(GRADIENT, images, targets)
        return answer["scores"], answer["gradients"]

    def _answer(self, call: str, images: ArrayLike, targets: ArrayLike) -> dict[str, Any]:
        import numpy as np

        if ACCESS.index(call) > ACCESS.index(self.access):
            raise ValueError(f"this oracle gives {self.access}, not {call}")
        asked = {"call": call, "images": np.asarray(images, np.float32), "targets": np.asarray(targets, np.int64)}
        answer: dict[str, Any] | None = self._ask(asked)
        if answer is None:
            found = "It would take a target past its budget; nothing of it was answered."
            raise BudgetSpent(f"{len(asked['targets'])} queries were asked.", found, "Yield what you have, and end.")
        return answer
