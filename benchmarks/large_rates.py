"""Time and memory of TAR at three rates and EER on as many comparisons as IJB-C has, against scikit-learn's ROC.

Run: python benchmarks/large_rates.py
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.metrics.biometric import EER, Comparisons, tar_at_far

COMPARISONS, MATED = 15_658_489, 19_557
RATES = ("1e-4", "1e-5", "1e-6")
SECONDS, MULTIPLE = 5, 3


def made() -> tuple[Any, Any]:
    """Scores in [-1, 1] and which comparisons are mated."""
    generator = np.random.default_rng(0)
    mated = np.zeros(COMPARISONS, bool)
    mated[:: COMPARISONS // MATED][:MATED] = True
    score = generator.normal(0, 0.1, COMPARISONS)
    score[mated] += 0.55
    return np.clip(score, -1, 1, out=score), mated


def ours(score: Any, mated: Any) -> list[float]:
    """TAR at each rate, then EER."""
    comparisons = Comparisons(score, mated)
    return [metric.compute(comparisons).value for metric in (*map(tar_at_far, RATES), EER)]


def peer(score: Any, mated: Any) -> list[float]:
    """The same from scikit-learn's ROC curve: the last point up to each rate, the point nearest to equal errors."""
    from sklearn.metrics import roc_curve

    far, tar, _ = roc_curve(mated, score)
    nearest = np.argmin(np.abs(far - (1 - tar)))
    return [float(tar[np.searchsorted(far, float(rate), side="right") - 1]) for rate in RATES] + [float(far[nearest])]


def peak() -> int:
    """The most bytes that the process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measured(call: Callable[[], list[float]], scores: int) -> tuple[float, float, list[float]]:
    """Seconds, peak memory above what was held before as a multiple of the scores, and the values."""
    before, start = peak(), time.perf_counter()
    values = call()
    return time.perf_counter() - start, (peak() - before) / scores, values


def show(name: str, seconds: float, multiple: float, values: list[float]) -> None:
    """One row."""
    print(f"{name:12} {seconds:8.2f} {multiple:7.2f}x  " + "  ".join(f"{value:.6f}" for value in values))


def main() -> None:
    """Print both rows and the ratio; ours first, as the peak of a process only rises."""
    score, mated = made()
    print(f"{COMPARISONS:,} comparisons, {MATED:,} mated; scores {score.nbytes / 1e6:.0f} MB")
    print(f"{'':12} {'seconds':>8} {'memory':>8}  " + "  ".join(f"@{rate:7}" for rate in RATES) + "  EER")
    seconds, multiple, values = measured(lambda: ours(score, mated), score.nbytes)
    show("facebench", seconds, multiple, values)
    met = seconds < SECONDS and multiple < MULTIPLE
    print(f"bars: {SECONDS} s, {MULTIPLE}x the scores: {'met' if met else 'MISSED'}")
    try:
        import sklearn.metrics  # noqa: F401
    except ImportError:
        print("scikit-learn is not installed: no peer.")
        return
    theirs, their_multiple, their_values = measured(lambda: peer(score, mated), score.nbytes)
    show("scikit-learn", theirs, their_multiple, their_values)
    print(f"ratio {theirs / seconds:.1f}x in time")


if __name__ == "__main__":
    main()
