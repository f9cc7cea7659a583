"""Where two methods disagree: the decisions that one takes rightly and the other wrongly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bench.cases import Decisions
from bench.errors import Mismatch

CAUTION = (
    "The test takes decisions for independent. Those that share a person are not, so p tends to be too small: it is an "
    "aid to reading, and the intervals of the differences are what counts."
)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How many decisions both methods took rightly, only one of them, or neither; and those of only one.

    ``p_value``: of McNemar's exact test, see CAUTION; ``decisions``: a dict each, with opaque numbers that
    say which it is, what either method gave (``first …`` and ``second …``, None for the score of what failed), and
    ``right``, "first" or "second".
    """

    rule: str
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p_value: float
    decisions: tuple[dict[str, Any], ...]
    caution: str = CAUTION


def disagreement(first: Decisions, second: Decisions) -> Disagreement:
    """Compare the decisions of two methods, one by one; raises Mismatch where they are not the same ones."""
    import numpy as np

    same = first.which.keys() == second.which.keys()
    if not same or not all(np.array_equal(first.which[name], second.which[name]) for name in first.which):
        raise Mismatch("Decisions were to be compared.", "They are of other trials.", "Run both on the same data.")
    apart = np.flatnonzero(first.right != second.right)
    columns = {name: column[apart].tolist() for name, column in first.which.items()}
    for side, decisions in (("first", first), ("second", second)):
        columns |= {f"{side} {name}": _finite(column[apart].tolist()) for name, column in decisions.given.items()}
    winner = ["first" if right else "second" for right in first.right[apart].tolist()]
    rows = zip(*columns.values(), winner, strict=True)
    only_first, only_second = winner.count("first"), winner.count("second")
    both = int((first.right & second.right).sum())
    return Disagreement(
        rule=first.rule,
        both_right=both,
        only_first=only_first,
        only_second=only_second,
        both_wrong=len(first.right) - both - len(apart),
        p_value=mcnemar_p_value(only_first, only_second),
        decisions=tuple(dict(zip([*columns, "right"], row, strict=True)) for row in rows),
    )


def _finite(values: list[Any]) -> list[Any]:
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value that either side of a disagreement is as likely (McNemar 1947): twice the binomial tail.

    1 where the two never disagree.
    """
    n, k = only_first + only_second, min(only_first, only_second)
    term = math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))
    tail = 0.0
    for i in range(k, -1, -1):
        tail += term
        term *= i / (n - i + 1)
    return min(1.0, 2 * tail)
