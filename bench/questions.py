"""The asking strategy: how a question about a picture is worded, which options it offers, and how answers are read.

It is the core's, so that every model is asked alike, and stands in the method's name as ways of the protocol (WAYS).
Wordings are data, in words/wordings.toml. Of likelihoods a class's score is their sum, their mean over tokens, their
sum by UTF-8 bytes of the option, or less what the option has without a picture (pointwise mutual information); each is
the mean over the rotations of the options.
"""

from __future__ import annotations

import functools
import hashlib
import string
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.answering import ANSWER, likelihoods_of
from bench.batches import Batches
from bench.errors import WrongUse
from bench.method import Option
from bench.protocol import Sample
from bench.records import Face, Question

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORDINGS = Path(__file__).parent / "words" / "wordings.toml"
FREE, CLOSED, LETTERED, YES_NO = "free", "closed", "lettered", "yesno"
GENERATE, LOGLIK = "generate", "loglik"
SUM, MEAN, BYTES, PMI = "sum", "mean", "bytes", "pmi"
DECLARED, LABELS = "declared", "labels"
Q1, Q2, LISTED = "q1", "q2", "list"
YES = ("yes", "no")
ANSWERING = Option("answer", GENERATE, "read what it says, or score the options by likelihood", (GENERATE, LOGLIK))
SCORE = Option("score", SUM, "of likelihoods: their sum, mean, by bytes, or less those without a picture")
SCORE = replace(SCORE, values=(SUM, MEAN, BYTES, PMI))
ROTATIONS = Option("rotations", 1, "in how many turns of the list of options each question is asked")
WORDS = Option("words", DECLARED, "the option words that the protocol declares, or the labels", (DECLARED, LABELS))


@functools.cache
def wordings() -> dict[str, Any]:
    """The table of wordings, and under ``sha256`` the digest of its file."""
    raw = WORDINGS.read_bytes()
    return {**tomllib.loads(raw.decode("utf-8")), "sha256": hashlib.sha256(raw).hexdigest()}


def ways(listed: bool = False) -> tuple[Option, ...]:
    """The ways to ask; where a list of questions brings its own prompt (``listed``), that is the default."""
    known = ("q1", "q2", "q3", "q4", *((LISTED,) if listed else ()))
    ask = Option("ask", CLOSED if listed else FREE, "no options, listed ones, lettered ones, or yes and no of each")
    word = Option("wording", LISTED if listed else Q2, "the question's wording: words/wordings.toml has them", known)
    return (replace(ask, values=(FREE, CLOSED, LETTERED, YES_NO)), word, ANSWERING, SCORE, ROTATIONS, WORDS)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One wording put about each picture: ``order`` are the positions of the labels in the order they are offered."""

    text: str
    options: tuple[str, ...]
    order: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Strategy:
    """How an Answerer is asked about some ``labels``; ``words`` name them in the same order; ``listed``: own prompt.

    Raises WrongUse for ways that do not go together.
    """

    labels: tuple[str, ...]
    words: tuple[str, ...]
    ask: str = FREE
    wording: str = Q2
    answer: str = GENERATE
    score: str = SUM
    rotations: int = 1
    listed: str = ""

    @classmethod
    def of(cls, asked: Mapping[str, Any], labels: Sequence[str], words: Sequence[str], listed: str = "") -> Strategy:
        """The strategy of a method's ways."""
        values = dict(asked)
        chosen = tuple(labels) if values.pop(WORDS.name) == LABELS else tuple(words)
        known = {name: values[name] for name in ("ask", "wording", "answer", "score", "rotations")}
        return cls(tuple(labels), chosen, **known, listed=listed)

    def __post_init__(self) -> None:
        turns = self.ask in (CLOSED, LETTERED)
        fault = ""
        if self.score != SUM and self.answer != LOGLIK:
            fault = "score= is of likelihoods: give answer=loglik too."
        elif not 1 <= self.rotations <= (len(self.labels) if turns else 1):
            fault = f"rotations is 1 to {len(self.labels)} with ask=closed or ask=lettered, else 1."
        elif self.wording == Q1 and self.ask == LETTERED:
            fault = "q1 lists its options itself: give ask=closed or ask=free, or another wording."
        elif self.wording not in (Q2, LISTED) and self.ask == YES_NO:
            fault = "yes and no have a wording of their own: leave wording out."
        elif self.wording == LISTED and self.ask in (FREE, LETTERED):
            fault = "The list's own prompt lists its options: give ask=closed, or another wording."
        elif self.wording == LISTED and ", ".join(self.words) not in self.listed:
            fault = "The list's own prompt offers other words: leave words out."
        elif self.ask == LETTERED and len(self.labels) > len(string.ascii_uppercase):
            fault = "There are more classes than letters."
        if fault:
            raise WrongUse("A question was to be worded.", fault, "'facebench show PROTOCOL' lists the ways to ask.")

    def prompts(self) -> tuple[Prompt, ...]:
        """What is asked about each picture, in order."""
        count = len(self.labels)
        if self.ask == YES_NO:
            form = wordings()["forms"]["yesno"]
            return tuple(Prompt(form.format(word=word), YES, (place,)) for place, word in enumerate(self.words))
        if self.ask == FREE:
            listed = _joined(wordings()["published"]["words"])
            return (Prompt(self._question(listed), (), tuple(range(count))),)
        made = []
        for turn in range(self.rotations):
            shift = turn * count // self.rotations
            order = tuple((place + shift) % count for place in range(count))
            made.append(self._listing(order))
        return tuple(made)

    def _question(self, listed: str) -> str:
        return str(wordings()["wordings"][self.wording].format(list=listed))

    def _listing(self, order: tuple[int, ...]) -> Prompt:
        words, forms = tuple(self.words[place] for place in order), wordings()["forms"]
        if self.wording == LISTED:
            return Prompt(self.listed.replace(", ".join(self.words), ", ".join(words)), words, order)
        if self.ask == LETTERED:
            letters = string.ascii_uppercase[: len(words)]
            lines = [forms["line"].format(letter=a, word=b) for a, b in zip(letters, words, strict=True)]
            text = forms["lettered"].format(question=self._question(""), lines="\n".join(lines))
            return Prompt(text, tuple(letters), order)
        if self.wording == Q1:
            return Prompt(self._question(_joined(words)), words, order)
        text = forms["closed"].format(question=self._question(""), options=", ".join(words))
        return Prompt(text, words, order)

    @property
    def scored(self) -> tuple[str, ...]:
        """The options whose likelihood is asked for, the same of every prompt."""
        if self.ask == YES_NO:
            return YES
        return tuple(string.ascii_uppercase[: len(self.words)]) if self.ask == LETTERED else self.words

    def batches(self) -> Batches:
        """How the method is called."""
        return likelihoods_of(self.scored) if self.answer == LOGLIK else ANSWER

    def asked_of(self, samples: Sequence[Sample]) -> list[Sample]:
        """Every prompt about every sample, those about one sample together."""
        prompts = self.prompts()
        return [
            replace(sample, key=f"{sample.key}-{number}", read=functools.partial(_question_of, prompt, sample.read))
            for sample in samples
            for number, prompt in enumerate(prompts)
        ]

    def without_picture(self) -> list[Sample]:
        """Every prompt about no picture."""
        read = functools.partial
        return [Sample(f"blank-{i}", f"blank-{i}", read(_bare, one)) for i, one in enumerate(self.prompts())]

    def class_scores(self, sums: NDArray[Any], tokens: NDArray[Any], blank: NDArray[Any] | None) -> NDArray[Any]:
        """float64 [n, k], a score a class, of log-likelihoods.

        ``sums``, ``tokens``: [n, prompts, options]; ``blank``: float64 [prompts, options], the sums without a picture,
        where the score is by pointwise mutual information. NaN where any of a sample's is.
        """
        import numpy as np

        lengths = np.array([len(option.encode()) for option in self.scored])
        value = sums
        if self.score == MEAN:
            value = sums / np.maximum(tokens, 1)
        elif self.score == BYTES:
            value = sums / lengths
        elif self.score == PMI:
            assert blank is not None, "the prompts are asked without a picture too"
            value = sums - blank
        if self.ask == YES_NO:
            return np.asarray(value[:, :, 0] - value[:, :, 1])
        if self.ask == LETTERED:  # letter j of a prompt is the label order[j]
            back = np.array([np.argsort(prompt.order) for prompt in self.prompts()])
            value = np.take_along_axis(value, np.broadcast_to(back, value.shape), axis=2)
        return np.asarray(value.mean(axis=1))


def _joined(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])}, or {words[-1]}"


def _question_of(prompt: Prompt, read: Callable[[str], Any], key: str) -> Question:
    face: Face = read(key)
    return Question(key, prompt.text, prompt.options, face)


def _bare(prompt: Prompt, key: str) -> Question:
    return Question(key, prompt.text, prompt.options)
