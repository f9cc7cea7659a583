"""What a loaded method can do: shapes to match, never classes to inherit.

This is the only module that says ``typing.Protocol``; elsewhere a protocol is a frozen question.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.examples import Examples
from bench.records import Clip, Face, Snapshot

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray


class Embedder(typing.Protocol):
    """Turns faces into vectors that are compared."""

    def embed(self, faces: Sequence[Face]) -> NDArray[float32]:
        """Return float32 [n, d]; row i answers ``faces[i]``; a row of NaN is a failure to extract."""
        ...


class Aligner(typing.Protocol):
    """Finds the face that a picture is of."""

    def landmarks(self, faces: Sequence[Face]) -> NDArray[float32]:
        """Return float32 [n, 5, 2], (x, y) in pixels of ``faces[i]``; all NaN where no face was found.

        In order: eye, eye, nose tip, mouth corner, mouth corner, left before right as seen in the picture; the middle
        of the upper left pixel is (0, 0).
        """
        ...


class Classifier(typing.Protocol):
    """Says of each record which of some named classes it is of."""

    def classify(self, records: Sequence[Any], labels: Sequence[str]) -> NDArray[float32]:
        """Return float32 [n, k]: how much ``records[i]`` is of ``labels[j]``; the highest of a row is the answer.

        The records are Faces or Clips, as the card's inputs say. Of equal scores the first label is taken; a row of NaN
        is a failure.
        """
        ...


class Spotter(typing.Protocol):
    """Finds expressions in a long clip."""

    def spot(self, clip: Clip) -> Sequence[Sequence[Any]] | None:
        """Return intervals, each [onset, apex, offset, emotion], in any order; none found is an empty list.

        Frames count from 0 in the clip, the offset is the last one, and onset <= apex <= offset. The emotion is a word,
        "" where it is not told. A fifth item, "micro" or "macro", may say what it is; else its length says. None is a
        failure.
        """
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
        """Answer from now on as the method that had these weights, on one that was just loaded or restored before."""
        ...


class Matcher(typing.Protocol):
    """Compares vectors under encryption; the harness calls and times each stage inside the worker (bench.measuring).

    Three parties: the *owner* of the gallery makes the key and alone holds it whole; a *user* brings a probe; a
    *server* matches without a whole key. What stages hand on (ciphertexts, in any form) never leaves the worker.
    Randomness is the method's own, from the operating system. Nothing is kept from one call to make another cheaper.
    """

    def keygen(self, bits: int, division: str, gallery: str) -> None:
        """Owner: make a new key of ``bits`` and forget all that was made under another one.

        ``division``: who encrypts and how, of bench.measuring.DIVISIONS; ``gallery``: "plaintext" (the server holds
        rows in the clear, scores are inner products) or "encrypted" (squared distances). Raises NotImplementedError
        for what the method does not offer. A key that is too short is made all the same: ``security`` tells of it.
        """
        ...

    def precompute(self, pooled: int) -> None:
        """Who encrypts: make tables; in division "pool" also randomness for ``pooled`` features to be encrypted."""
        ...

    def enrol(self, rows: NDArray[Any]) -> None:
        """Owner to server: int8 [n, d] as the gallery, in place of a plaintext one that was there."""
        ...

    def encrypt(self, probe: NDArray[Any]) -> Any:
        """User, with the public key (division "owner": the owner, with the secret one): int8 [d] under encryption."""
        ...

    def match(self, probe: Any) -> Any:
        """Server, without the key (several: each with its share): the score against each row, under encryption."""
        ...

    def pack(self, scores: Any) -> Any:
        """Server, without the key: scores made fewer ciphertexts; may be the scores as they are."""
        ...

    def answer(self, probe: Any) -> int | None:
        """Servers to user: the position of the most alike row of an encrypted gallery."""
        ...

    def decrypt(self, encrypted: Any) -> Sequence[int]:
        """Owner, with the key: the features of a probe, or a score for each row."""
        ...

    def serialise(self, encrypted: Any) -> bytes:
        """Anyone: ciphertexts as they would be sent; no key is in them."""
        ...

    def deserialise(self, data: bytes) -> Any:
        """Anyone: what ``serialise`` wrote."""
        ...

    def processes(self) -> Sequence[int]:
        """Process ids beside the worker's own, whose time and memory count too."""
        ...

    def security(self) -> int:
        """Bits of security, read from the live keys and shares; 0 where none is claimed."""
        ...

    def about(self) -> str:
        """Which code ran: kernel, libraries and their versions, in at most 100 characters."""
        ...

    def close(self) -> None:
        """Forget keys and end processes; a later ``keygen`` begins anew."""
        ...


def missing(loaded: object, contract: type) -> list[str]:
    """Names of the calls of ``contract`` that ``loaded`` does not offer."""
    wanted = [name for name in vars(contract) if not name.startswith("_")]
    return [name for name in wanted if not callable(getattr(loaded, name, None))]
