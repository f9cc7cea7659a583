"""Whether a model sees its pictures at all: the same questions about very different ones must not all be answered
alike.

A template without a place for the picture, or a server without its vision part, drops it and answers all the same.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bench import samples
from bench.answers import Table
from bench.errors import MethodFailed
from bench.protocol import Sample
from bench.questions import LOGLIK, Strategy
from bench.records import Face, Question

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

COLOUR = "In a single word, what colour is this picture?"
SIDE = 112
APART = 1e-6  # log-likelihoods that differ by less, in all options, count as the same


def pictures() -> dict[str, NDArray[uint8]]:
    """Red, blue, black, white, noise, and two drawn faces: uint8 [112, 112, 3]."""
    import numpy as np

    def flat(red: int, green: int, blue: int) -> NDArray[uint8]:
        return np.full((SIDE, SIDE, 3), (red, green, blue), np.uint8)

    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    plain = {"red": flat(255, 0, 0), "blue": flat(0, 0, 255), "black": flat(0, 0, 0), "white": flat(255, 255, 255)}
    faces = {"face": samples.draw(0), "open mouth": samples.draw(7, mouth=1.0)}
    return {**plain, "noise": noise, **faces}


def probes(strategy: Strategy) -> list[Sample]:
    """Of each picture the strategy's first question and, where answers are read, what colour it has."""
    first = strategy.prompts()[0]
    asked = [(first.text, first.options)] + ([] if strategy.answer == LOGLIK else [(COLOUR, ())])
    return [
        Sample(f"probe-{number}-{name.replace(' ', '-')}", name, partial(_question, text, options, name))
        for number, (text, options) in enumerate(asked)
        for name in pictures()
    ]


def _question(text: str, options: tuple[str, ...], name: str, key: str) -> Question:
    return Question(key, text, options, Face(key, pictures()[name]))


def check_probes(who: str, table: Table) -> None:
    """Check the answers to ``probes``; raises MethodFailed where none was given, or all to a question are the same."""
    import numpy as np

    asked = f"{who} was asked the same about {len(pictures())} very different pictures, red, blue, a drawn face, …"
    there = [row for row, reason in enumerate(table["failure"]) if not reason]
    if not there:
        reasons = ", ".join(sorted(set(table["failure"])))
        raise MethodFailed(asked, f"It answered none: {reasons}.", "What it printed is in its log in the run's folder.")
    if "sums" in table:
        sums: Any = table["sums"][there]
        alike = bool((np.ptp(sums, axis=0) <= APART * np.maximum(abs(sums).max(axis=0), 1)).all())
    else:
        said: dict[str, set[str]] = {}
        for row in there:
            said.setdefault(table["key"][row].split("-")[1], set()).add(table["text"][row])
        alike = all(len(texts) == 1 for texts in said.values())
    if alike and len(there) > 1:
        found = "Its answers are the same for all of them, so it seems not to see them."
        do = (
            "See whether the chat template has a place for the picture, and whether the vision part is loaded; where a "
            "model does see but always says the same, ask with answer=loglik."
        )
        raise MethodFailed(asked, found, do)
