"""Trials case by case: what was decided rightly, and what went wrong, to be read beside the scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Decisions:
    """Which of a method's decisions are right.

    ``rule``: how it decides, in words; ``right``: bool [n]; ``which``: columns [n] that say which decision it is,
    opaque numbers alone and the same for every method; ``given``: columns [n] of what the method gave.
    """

    rule: str
    right: NDArray[Any]
    which: Mapping[str, NDArray[Any]]
    given: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """The share ``wrong`` of the cases that are ``counted``, bool [n] each over all cases.

    ``expected``: the rate that its threshold was set for over all cases (``1e-3``), "" where none was.
    """

    name: str
    about: str
    counted: NDArray[Any]
    wrong: NDArray[Any]
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Cases:
    """What could go wrong in trials, so that it can be counted by group.

    ``samples``: int [n, 2], positions among the content's samples, twice the same where a case is of one; ``subjects``:
    int [n, 2], opaque numbers of the people in them; ``compared``: how many cases, the first, are comparisons (as
    bench.metrics.resampling takes it), None for all; ``counts``: how many cases there are of a kind, name to bool [n];
    ``notes``: what was left out, and why.
    """

    samples: NDArray[Any]
    subjects: NDArray[Any]
    compared: int | None
    counts: Mapping[str, NDArray[Any]]
    rates: tuple[ErrorRate, ...]
    notes: tuple[str, ...] = ()
