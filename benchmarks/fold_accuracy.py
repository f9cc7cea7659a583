"""Time of the ten-fold InsightFace accuracy against the plain loop over folds and thresholds; both must agree.

Run: python benchmarks/fold_accuracy.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.metrics.biometric import ACCURACY_INSIGHTFACE, Comparisons

PAIRS, SIZE, FOLDS, BAR = 6000, 512, 10, 20


def embeddings(seed: int) -> tuple[Any, Any, Any]:
    """Unit vectors of both sides and which pairs are mated: in every fold first the mated ones."""
    generator = np.random.default_rng(seed)
    mated = np.tile(np.repeat([True, False], PAIRS // FOLDS // 2), FOLDS)
    first = generator.normal(size=(PAIRS, SIZE))
    second = np.where(mated[:, None], first, 0) + 4 * generator.normal(size=(PAIRS, SIZE))
    return *(v / np.linalg.norm(v, axis=1, keepdims=True) for v in (first, second)), mated


def plain(squared: Any, same: Any) -> tuple[float, ...]:
    """The published rule as scripts write it: confusion counts at each threshold, in each fold."""
    thresholds = np.arange(0, 4, 0.01)
    rows = np.arange(len(same))
    shares = []
    for test in np.array_split(rows, FOLDS):
        training = np.setdiff1d(rows, test)
        reached = [_share(threshold, squared[training], same[training]) for threshold in thresholds]
        shares.append(_share(thresholds[np.argmax(reached)], squared[test], same[test]))
    return tuple(shares)


def _share(threshold: float, squared: Any, same: Any) -> float:
    said = np.less(squared, threshold)
    true_accepts = np.sum(np.logical_and(said, same))
    true_rejects = np.sum(np.logical_and(np.logical_not(said), np.logical_not(same)))
    return float(true_accepts + true_rejects) / len(same)


def timed(call: Callable[[], Any], times: int) -> tuple[float, Any]:
    """The least seconds of several calls, and what the last one gave."""
    least = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        answer = call()
        least = min(least, time.perf_counter() - start)
    return least, answer


def main() -> None:
    """Print seconds, digits and the ratio."""
    first, second, mated = embeddings(0)
    squared = np.sum(np.square(first - second), axis=1)
    cosine = np.sum(first * second, axis=1)
    fold = np.repeat(np.arange(FOLDS), PAIRS // FOLDS)
    ours, estimate = timed(lambda: ACCURACY_INSIGHTFACE.compute(Comparisons(cosine, mated, fold)), 20)
    theirs, shares = timed(lambda: plain(squared, mated), 3)
    ratio, equal = theirs / ours, estimate.folds == shares
    print(f"{PAIRS:,} pairs, {FOLDS} folds, InsightFace's rule")
    print(f"{'':12} {'seconds':>9}  mean over folds")
    print(f"{'plain loop':12} {theirs:9.4f}  {np.mean(shares)!s}")
    print(f"{'facebench':12} {ours:9.4f}  {estimate.value!s}")
    print(f"ratio {ratio:.0f}x (bar {BAR}x: {'met' if ratio >= BAR else 'MISSED'}); fold values equal: {equal}")


if __name__ == "__main__":
    main()
