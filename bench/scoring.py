"""Scores of metrics with their intervals: the one way every task makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from bench.metrics import resampling
from bench.metrics.metric import Estimate, Metric
from bench.results import Score


def scores(
    metrics: Iterable[Metric], compute: Callable[[Metric, Any], Estimate], draws: Iterable[Any]
) -> tuple[Score, ...]:
    """Each metric's value and 95 % interval over the draws; a value that is only bounded gets none.

    ``compute(metric, weights)`` gives the metric under a draw, or as it is where ``weights`` is None.
    """
    metrics = list(metrics)
    drawn = [[compute(metric, weights).value for metric in metrics] for weights in draws]
    made = []
    for column, metric in enumerate(metrics):
        estimate = compute(metric, None)
        low, high = resampling.bounded_interval(estimate, *resampling.interval([row[column] for row in drawn]))
        folds = estimate.folds
        made.append(
            Score(
                metric=metric.name,
                value=estimate.value,
                low=None if estimate.bound else low,
                high=None if estimate.bound else high,
                better=metric.better,
                unit=metric.unit,
                bound=estimate.bound,
                standard_error=resampling.standard_error(folds) if len(folds) > 1 else None,
                population_std=resampling.population_std(folds) if len(folds) > 1 else None,
                folds=folds,
                note=estimate.note,
            )
        )
    return tuple(made)
