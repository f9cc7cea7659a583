"""FER+'s votes to labels: the four rules of its owner's code, and plain readings of the votes that others use.

Barsoum, Zhang, Canton Ferrer and Zhang, Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
Label Distribution, ICMI 2016, and its code, github.com/microsoft/FERPlus at ae2128a. Ten people vote for one of eight
expressions, "unknown" or "no face". The owner's rules first drop single votes. Of equal votes the first column is
taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
VOTED = (*EXPRESSIONS, "unknown", "no face")
Votes = Sequence[float]


def _largest(votes: Votes) -> int:
    return max(range(len(votes)), key=lambda i: (votes[i], -i))


def _label(votes: Votes) -> str:
    """The expression with most votes, "" where that is no expression or there are none."""
    place = _largest(votes)
    return VOTED[place] if place < len(EXPRESSIONS) and votes[place] > 0 else ""


def _without_singles(votes: Votes) -> list[float]:
    return [0 if vote <= 1 else vote for vote in votes]


def majority(votes: Votes) -> str:
    """The owner's: what has more than half of the votes that are left."""
    left = _without_singles(votes)
    return _label(left) if max(left) > 0.5 * sum(left) else ""


def probability(votes: Votes) -> str:
    """The owner's, for its modes probability and crossentropy: the first of the classes that make up 75 % of the votes.

    Classes are taken by their votes, equal ones together, until 75 % are covered or three are taken, which must be more
    than half; "unknown" and "no face" end that, and are dropped where a class was taken before.
    """
    left = _without_singles(votes)
    total, taken, count, valid = sum(left), [0.0] * len(left), 0, True
    while sum(taken) < 0.75 * total and count < 3 and valid:
        most = max(left)
        for place in range(len(left)):
            if left[place] != most:
                continue
            taken[place], left[place] = most, 0
            count += 1
            if place >= len(EXPRESSIONS):
                valid = False
                if sum(taken) > most:
                    taken[place] = 0
                    count -= 1
                break
    return "" if sum(taken) <= 0.5 * total or count > 3 else _label(taken)


def multi_target(votes: Votes) -> str:
    """The owner's: the first of the classes that have 30 % of the votes each, and more than half together."""
    left = _without_singles(votes)
    kept = [vote if vote >= 0.3 * sum(left) else 0 for vote in left]
    return _label(kept) if sum(kept) > 0.5 * sum(left) else ""


def argmax_8(votes: Votes) -> str:
    """Of the eight expressions the one with most votes, whatever else was voted."""
    return EXPRESSIONS[_largest(votes[: len(EXPRESSIONS)])]


def argmax_10(votes: Votes) -> str:
    """What has most votes, if it is an expression."""
    return _label(votes)


def majority_raw(votes: Votes) -> str:
    """What has more than half of all votes, single ones too, if it is an expression."""
    return _label(votes) if 2 * max(votes) > sum(votes) else ""


def unique_mode(votes: Votes) -> str:
    """What has more votes than anything else, if it is an expression."""
    return _label(votes) if list(votes).count(max(votes)) == 1 else ""


RULES: dict[str, Callable[[Votes], str]] = {
    "majority": majority,
    "probability": probability,
    "multi-target": multi_target,
    "argmax-8": argmax_8,
    "argmax-10": argmax_10,
    "majority-raw": majority_raw,
    "unique-mode": unique_mode,
}
