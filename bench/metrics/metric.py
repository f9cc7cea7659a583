"""What a metric is: a value that knows its name, direction, unit, function and source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a metric computes: a value, per-fold values where it is a mean of folds, and a bound.

    ``bound`` is "at most" or "at least" where the comparisons cannot resolve the rate. ``resolution``
    is how many comparisons the rate rests on; a value at one of its ``ends``, between which it moves, gets its interval
    from it.
    """

    value: float
    folds: tuple[float, ...] = ()
    bound: str | None = None
    resolution: int = 0
    note: str = ""
    ends: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a board.

    ``compute(table, weights)`` takes the family's prepared table and optional bootstrap weights
    (float64, one a trial), and returns an Estimate. ``better``: "higher" or "lower"; ``unit``: "%" for
    a rate in [0, 1] that is shown in percent; ``cite``: where the definition stands; ``over_folds``: a mean over
    folds, for which what is learned of the other folds (a threshold) is applied to each.
    """

    name: str
    better: str
    unit: str
    compute: Callable[..., Estimate]
    cite: str
    about: str = ""
    over_folds: bool = False


def signature(metrics: tuple[Metric, ...]) -> list[Any]:
    """What of the metrics goes into a protocol's digest."""
    return [[m.name, m.better, m.unit] for m in metrics]
