"""What an Answerer's replies to the questions of a strategy say of each sample: a class or why none, and how sure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.answers import Table
from bench.parsed import AMBIGUOUS, NO_YES, Parsed, parse, parse_letter, parse_yes
from bench.questions import LETTERED, LOGLIK, PMI, YES_NO, Strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Replies:
    """One a sample.

    ``label``: the class's name, "" where there is none, and then ``failure`` says why; ``probability``: float64 [n, k]
    over the strategy's labels, NaN rows where there are none, or None where the strategy gives no probabilities;
    ``joint``: how options followed the prompt, "" where none did.
    """

    label: list[str]
    failure: list[str]
    probability: NDArray[Any] | None = None
    joint: tuple[str, ...] = ()


def read_replies(strategy: Strategy, table: Table, blank: Table | None) -> Replies:
    """Read the rows of ``strategy.asked_of(samples)``, and of ``strategy.without_picture()`` where those were asked."""
    count = len(strategy.prompts())
    if strategy.answer == LOGLIK:
        return _of_likelihoods(strategy, table, blank, count)
    failures = table["failure"]
    parsed = [
        Parsed("", failures[row]) if failures[row] else parse_one(strategy, row % count, str(table["text"][row]))
        for row in range(len(failures))
    ]
    read = [_of_prompts(strategy, parsed[i : i + count]) for i in range(0, len(parsed), count)]
    return Replies([one.label for one in read], [one.reason for one in read])


def parse_one(strategy: Strategy, prompt: int, text: str) -> Parsed:
    """What a reply to one of the prompts says: a label; with yes and no one of those two."""
    words = dict(zip(strategy.words, strategy.labels, strict=True))
    if strategy.ask == YES_NO:
        return parse_yes(text)
    if strategy.ask == LETTERED:
        asked = strategy.prompts()[prompt]
        letters = {letter: strategy.labels[at] for letter, at in zip(asked.options, asked.order, strict=True)}
        return parse_letter(text, letters, words)
    return parse(text, words)


def _of_prompts(strategy: Strategy, parsed: Sequence[Parsed]) -> Parsed:
    """What the replies about one sample say together: the one class said yes to, or the one said most often.

    Of classes said equally often the one said first is taken; a prompt whose reply says nothing has no vote.
    """
    if strategy.ask == YES_NO:
        said = [label for label, one in zip(strategy.labels, parsed, strict=True) if one.label == "yes"]
        if len(said) == 1:
            return Parsed(said[0])
        return Parsed("", AMBIGUOUS if said else next((one.reason for one in parsed if one.reason), NO_YES))
    votes = Counter(one.label for one in parsed if one.label)
    return Parsed(votes.most_common(1)[0][0]) if votes else parsed[0]


def _of_likelihoods(strategy: Strategy, table: Table, blank: Table | None, count: int) -> Replies:
    import numpy as np

    shape = (-1, count, table["sums"].shape[1])
    apart = blank["sums"] if blank is not None and strategy.score == PMI else None
    scores = strategy.class_scores(table["sums"].reshape(shape), table["tokens"].reshape(shape), apart)
    failure = [next(filter(None, table["failure"][i : i + count]), "") for i in range(0, len(table["failure"]), count)]
    finite = np.isfinite(scores).all(axis=1)
    probability = np.full(scores.shape, np.nan)
    raised = np.exp(scores[finite] - scores[finite].max(axis=1, keepdims=True))
    probability[finite] = raised / raised.sum(axis=1, keepdims=True)
    best = np.where(finite, np.nan_to_num(scores, nan=-np.inf).argmax(axis=1), -1)
    label = [strategy.labels[at] if at >= 0 and not why else "" for at, why in zip(best.tolist(), failure, strict=True)]
    why = [why or ("" if there else "no answer without a picture") for why, there in zip(failure, finite, strict=True)]
    return Replies(label, why, probability, tuple(sorted({str(one) for one in table["joint"]} - {""})))
