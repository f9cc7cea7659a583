"""True accepts read off the ROC curve beside a false accept rate, where ``tar@far`` asks for at most that rate.

The curve's points are (FAR, TAR) when nothing is accepted, (0, 0), and when all comparisons at or above each distinct
score are: those of scikit-learn's ``roc_curve`` with every point kept. A failed comparison is accepted at no point, so
the curve ends below (1, 1) where some failed.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from bench.metrics.biometric import Comparisons, resolved
from bench.metrics.metric import Estimate, Metric

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Weights = NDArray[float64] | None


def _tar(comparisons: Comparisons, weights: Weights = None, *, rate: str, between: bool) -> Estimate:
    """TAR at the point nearest to a FAR, or on the line ``between`` the points on both sides of it."""
    mated, non_mated = (side.weight(weights) for side in comparisons.sides)
    # The lowest thresholds of the two points: the first lets at most the rate pass, the second the next score too.
    first = non_mated.threshold(Fraction(rate))
    second = non_mated.next_below(first)
    few, many = (Fraction(non_mated.accepted(threshold)) for threshold in (first, second))
    wanted = Fraction(rate) * Fraction(non_mated.total)
    if not between:
        value = mated.above(first if wanted - few < many - wanted else second)
    elif many <= few:
        value = mated.above(first)
    else:
        low, high = mated.above(first), mated.from_on(first)
        value = low + float((wanted - few) / (many - few)) * (high - low)
    left, right = comparisons.sides
    bound, note = resolved(right.count, rate)
    return Estimate(value, bound=bound, resolution=left.count, note=note)


def tar_nearest_far(rate: str) -> Metric:
    """TAR at the point of the ROC curve whose FAR is nearest to ``rate``; of several such points the largest TAR.

    The rule by which InsightFace's IJB evaluation reads its curve (deepinsight/insightface, recognition/_evaluation_/
    ijb). Distances are compared exactly, and all points count; the script lets ``roc_curve`` drop points
    inside of straight runs and so may take the end of one. More than ``rate`` may pass, unlike with ``tar@far``; the
    value is an upper bound under the same condition.
    """
    return Metric(
        f"tar_nearest@far={rate}",
        "higher",
        "%",
        partial(_tar, rate=rate, between=False),
        "deepinsight/insightface, ijb_11.py",
        f"true accepts where the false ones are nearest to {rate}",
    )


def tar_interpolated_far(rate: str) -> Metric:
    """TAR on the straight line between the two neighbouring points of the ROC curve that have ``rate`` between them.

    At a FAR that the curve has, the largest TAR there; beyond the curve's end, the TAR of that end. An upper bound
    under the condition of ``tar@far``.
    """
    return Metric(
        f"tar_interpolated@far={rate}",
        "higher",
        "%",
        partial(_tar, rate=rate, between=True),
        "Fawcett, An introduction to ROC analysis, 2006",
        f"true accepts at {rate} false ones, on the line between two points",
    )
