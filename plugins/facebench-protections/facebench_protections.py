"""Defences between an embedder and who asks it: less is told of a comparison, fewer are answered, or less is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import bench

if TYPE_CHECKING:
    from numpy import float32, float64
    from numpy.typing import NDArray

NONE = "none: common practice"
BIOHASHING = "Teoh, Ngo, Goh, Biohashing, Pattern Recognition 37(11), 2004"


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The four protections of this plugin."""
    return [
        _protection(
            "round-scores",
            "scores are told in few digits",
            lambda given: Rounding(int(given.options["digits"])),
            (bench.Option("digits", 2, "digits after the point"),),
        ),
        _protection(
            "decision-only", "only whether a comparison is accepted at FMR 1e-3 is told", lambda given: Deciding()
        ),
        _protection(
            "query-limit",
            "so many comparisons with one template are answered",
            lambda given: Limiting(int(given.options["most"])),
            (bench.Option("most", 1000, "comparisons"),),
        ),
        _protection(
            "biohash",
            "signs of a keyed random projection are kept in place of the embedding, the same key for all",
            lambda given: BioHash(int(given.options["bits"]), given.seed),
            (bench.Option("bits", 128, "signs that are kept"),),
            BIOHASHING,
        ),
    ]


def _protection(
    name: str, about: str, load: Callable[[bench.Load], Any], options: tuple[bench.Option, ...] = (), cite: str = NONE
) -> bench.Method:
    return bench.Method(
        name=name,
        tasks=frozenset({"protection"}),
        inputs=frozenset({"embedding"}),
        load=load,
        about=about,
        licence="Apache-2.0",
        cite=cite,
        options=options,
        needs=("numpy",),
    )


class Deciding:
    """Tells 1 where a score is above the threshold, else 0; everything else is as it was."""

    def protect(self, embeddings: NDArray[float32]) -> NDArray[float32]:
        """The embeddings."""
        return embeddings

    def tell(self, scores: NDArray[float64], threshold: float) -> NDArray[float64]:
        """float64 [n], 0 or 1."""
        return (scores > threshold).astype("float64")

    def most_queries(self) -> int:
        """Any number."""
        return 0


class Rounding:
    """Tells scores in ``digits`` digits after the point."""

    def __init__(self, digits: int) -> None:
        if not 0 <= digits <= 15:
            raise ValueError(f"digits={digits}: it is from 0 to 15")
        self.digits = digits

    def protect(self, embeddings: NDArray[float32]) -> NDArray[float32]:
        """The embeddings."""
        return embeddings

    def tell(self, scores: NDArray[float64], threshold: float) -> NDArray[float64]:
        """float64 [n], rounded to the nearest, halves to even."""
        return scores.round(self.digits)

    def most_queries(self) -> int:
        """Any number."""
        return 0


class Limiting:
    """Answers ``most`` comparisons with each template, and none after them."""

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"most={most}: it is 1 or more")
        self.most = most

    def protect(self, embeddings: NDArray[float32]) -> NDArray[float32]:
        """The embeddings."""
        return embeddings

    def tell(self, scores: NDArray[float64], threshold: float) -> NDArray[float64]:
        """The scores."""
        return scores

    def most_queries(self) -> int:
        """The limit."""
        return self.most


class BioHash:
    """Keeps the signs of products with orthonormal random vectors, as 1 and -1, whose cosine is 1 - 2 Hamming / bits.

    The key is drawn from the seed, one for all faces, so this is the stolen-token case: nobody brings a secret of their
    own. With more bits than dimensions the vectors come in orthonormal blocks.
    """

    def __init__(self, bits: int, seed: int) -> None:
        if not 8 <= bits <= 65_536:
            raise ValueError(f"bits={bits}: it is from 8 to 65,536")
        self.bits, self.seed = bits, seed
        self._key: NDArray[Any] | None = None

    def protect(self, embeddings: NDArray[float32]) -> NDArray[float32]:
        """float32 [n, bits] of 1 and -1."""
        import numpy as np

        if self._key is None or len(self._key) != embeddings.shape[1]:
            self._key = self._drawn(embeddings.shape[1])
        return np.where(embeddings.astype(np.float64) @ self._key > 0, 1, -1).astype(np.float32)

    def _drawn(self, dimensions: int) -> NDArray[Any]:
        import numpy as np

        generator = np.random.default_rng(self.seed)
        blocks = [
            np.linalg.qr(generator.normal(size=(dimensions, dimensions)))[0] for _ in range(0, self.bits, dimensions)
        ]
        key: NDArray[Any] = np.concatenate(blocks, axis=1)[:, : self.bits]
        return key

    def tell(self, scores: NDArray[float64], threshold: float) -> NDArray[float64]:
        """The scores."""
        return scores

    def most_queries(self) -> int:
        """Any number."""
        return 0
