"""What a loaded method can do: shapes to match, never classes to inherit.

This is the only module that says ``typing.Protocol``; elsewhere a protocol is a frozen question.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.examples import Examples
from bench.records import Face, Snapshot

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray


class Embedder(typing.Protocol):
    """Turns faces into vectors that are compared."""

    def embed(self, faces: Sequence[Face]) -> NDArray[float32]:
        """Return float32 [n, d]; row i answers ``faces[i]``; a row of NaN is a failure to extract."""
        ...


class Differentiable(typing.Protocol):
    """An embedder whose score can be followed back to the image; called by an oracle only."""

    def gradient(
        self, images: NDArray[float32], direction: NDArray[float32]
    ) -> tuple[NDArray[float32], NDArray[float32]]:
        """Return the embeddings and the image gradient of their product with ``direction``.

        ``images``: float32 [n, height, width, 3], RGB in [0, 1]; ``direction``: float32 [n, d].
        Returns float32 [n, d] and d(sum(embedding * direction)) / d(images), shaped like ``images``.
        """
        ...


class Trainable(typing.Protocol):
    """A method that is fitted on a fold's training split before it answers that fold; its card says ``trainable``."""

    def fit(self, examples: Examples, last: Snapshot | None) -> Iterator[Snapshot]:
        """Yield snapshots, the last one to be used; ``last`` is the one to go on from, if a fit was stopped."""
        ...

    def restore(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Answer from now on as the method that had these weights; called on a method that was just loaded."""
        ...


def missing(loaded: object, contract: type) -> list[str]:
    """Names of the calls of ``contract`` that ``loaded`` does not offer."""
    wanted = [name for name in vars(contract) if not name.startswith("_")]
    return [name for name in wanted if not callable(getattr(loaded, name, None))]
