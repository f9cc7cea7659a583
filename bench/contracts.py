"""What a loaded method can do: shapes to match, never classes to inherit.

This is the only module that says ``typing.Protocol``; elsewhere a protocol is a frozen question.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.examples import Examples
from bench.oracle import Oracle
from bench.records import Clip, Face, Question, Snapshot

if TYPE_CHECKING:
    from numpy import float32, float64
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


class Answerer(typing.Protocol):
    """Answers questions about pictures in words, as a vision-language model does.

    The core words the questions and reads the answers; a method renders each as its model was trained to be asked (its
    chat template) and adds nothing. ``Question.face`` is None where a question is to be asked without a picture.
    """

    def answer(self, questions: Sequence[Question]) -> Sequence[str | None]:
        """Return the text that the model goes on with after each question, greedily; None is a failure.

        Special tokens are left out, all else is kept. ``Question.options`` are the words that were offered in the
        text, in that order, for servers that can be held to a choice; a method that uses them says so in an option.
        """
        ...

    def loglik(self, questions: Sequence[Question], options: Sequence[str]) -> Mapping[str, Any]:
        """Return how likely ``options[j]`` is as the whole answer to ``questions[i]``, its end of turn included.

        ``sums``: float64 [n, k], natural logarithms of probabilities; a row of NaN is a failure. ``tokens``: int64
        [n, k], how many tokens each sum is of, the end of turn among them. ``joint``: how an option follows the prompt,
        one of bench.answering.JOINTS. The options are plain words. Prompt and option are tokenised together, and cut
        where the prompt ends, whose own tokens must be how that begins. Raises NotImplementedError where the model
        gives no probabilities.
        """
        ...


class Spotter(typing.Protocol):
    """Finds expressions in a long clip."""

    def spot(self, clip: Clip) -> Sequence[Sequence[Any]] | Mapping[str, Any] | None:
        """Return intervals, each [onset, apex, offset, emotion], in any order; none found is an empty list.

        Frames count from 0 in the clip, the offset is the last one, and onset <= apex <= offset. The emotion is a word,
        "" where it is not told. A fifth item, "micro" or "macro", may say what it is; else its length says. None is a
        failure. A method that goes by a curve may return {"intervals": the list, "curves": {"micro": float32 [frames],
        "macro": ...}} instead, or {"": ...} where it is one curve, NaN where it has no number: it is drawn by `plot`,
        and nothing is scored by it.
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


class Inverter(typing.Protocol):
    """An attack: makes images that an embedder takes for faces of which it knows the templates."""

    def invert(self, oracle: Oracle) -> Iterator[NDArray[float32]]:
        """Yield float32 [t, height, width, 3], RGB nominally in [0, 1]: what it has for each of the oracle's t targets.

        It yields whenever there is something to show; the last one is the answer. It may let BudgetSpent through. Given
        the same seed and the same answers it asks the same queries, so that a stopped attack goes on.
        """
        ...


class Protection(typing.Protocol):
    """Stands between an embedder and those who ask it: what is kept for a face, and what is told of a comparison."""

    def protect(self, embeddings: NDArray[float32]) -> NDArray[float32]:
        """Return float32 [n, k], kept and compared by cosine in place of the embeddings, float32 [n, d]."""
        ...

    def tell(self, scores: NDArray[float64], threshold: float) -> NDArray[float64]:
        """Return float64 [n], told in place of the scores; ``threshold``: above it a comparison is accepted."""
        ...

    def most_queries(self) -> int:
        """How many comparisons with one template are answered; 0 for any number."""
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
