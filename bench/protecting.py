"""A protection as the harness asks it: what is kept in place of embeddings, what is told in place of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.answers import Table
from bench.embedding import EMBED
from bench.errors import ContractBroken, MethodFailed
from bench.worker import Raised, Worker

if TYPE_CHECKING:
    from numpy import float32, float64
    from numpy.typing import NDArray


class Protected:
    """The worker of a protection; raises MethodFailed where it raised and ContractBroken for another shape."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def _call(self, name: str, *arguments: Any) -> Any:
        value = self.worker.call(name, *arguments)
        if isinstance(value, Raised):
            raise MethodFailed(f"{self.worker.name} was asked to {name}.", f"It raised {value.type}: {value.text}")
        return value

    def most_queries(self) -> int:
        """How many comparisons with one template are answered; 0 for any number."""
        value = self._call("most_queries")
        if type(value) is not int or value < 0:
            raise ContractBroken("most_queries() was called.", f"It returned {value!r:.80}.", "Return 0 or more.")
        return value

    def protect(self, embeddings: NDArray[float32]) -> NDArray[float32]:
        """float32 [n, k] in place of float32 [n, d]; a row of NaN stays one, and is not shown to it."""
        import numpy as np

        there = np.isfinite(embeddings).all(axis=1)
        if not there.any():
            return embeddings
        kept = EMBED.check(self._call("protect", embeddings[there]), int(there.sum()))["embedding"]
        made = np.full((len(embeddings), kept.shape[1]), np.nan, np.float32)
        made[there] = kept
        return made

    def tell(self, scores: NDArray[float64], threshold: float) -> NDArray[float64]:
        """float64 [n], finite, in place of scores; ``threshold``: above it a comparison is accepted."""
        import numpy as np

        value = self._call("tell", scores, threshold)
        if not (isinstance(value, np.ndarray) and value.dtype == np.float64 and value.shape == scores.shape):
            raise ContractBroken("tell() was called.", "It returned another shape.", f"Return float64 [{len(scores)}].")
        if not np.isfinite(value).all():
            raise ContractBroken("tell() was called.", "It returned NaN or infinity.", "Return a number a score.")
        return value

    def table(self, answers: Table) -> Table:
        """The answers of an embedder with what is kept in place of its embeddings."""
        return {**answers, "embedding": self.protect(answers["embedding"])}
