"""Thresholds that stay as they are: learned of the clean pairs of an embedder, applied to what is made to pass it."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bench.metrics import biometric
from bench.metrics.biometric import Comparisons

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

YOUDEN, EQUAL = "youden", "eer"


class CleanPairs:
    """The comparisons of a verification protocol by one embedder, and what they decide about other scores."""

    def __init__(self, score: ArrayLike, mated: ArrayLike, fold: ArrayLike) -> None:
        self.comparisons = Comparisons(score, mated, fold)

    def accepts(self, score: NDArray[Any], rule: str) -> NDArray[Any]:
        """bool [n]: which scores pass by a rule: YOUDEN, EQUAL, or a rate of false matches such as "1e-3"."""
        if rule == YOUDEN:
            passed: NDArray[Any] = score >= self.youden[0]
            return passed
        if rule == EQUAL:
            return score >= self.equal
        return score > self.threshold(rate=rule)

    def threshold(self, rate: str) -> float:
        """The lowest score above which at most that share of the non-mated pairs lies, as tar@far has it."""
        return self.comparisons.sides[1].weight(None).threshold(Fraction(rate))

    @cached_property
    def _rates(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Every distinct score in descending order, and the shares of both kinds at or above it."""
        import numpy as np

        values = self.comparisons.ranks[0][::-1]
        mated, non_mated = (side.values for side in self.comparisons.sides)
        shares = [(len(side) - np.searchsorted(side, values)) / len(side) for side in (mated, non_mated)]
        return values, shares[0], shares[1]

    @cached_property
    def youden(self) -> tuple[float, float]:
        """The score from which on Youden's J, TAR - FAR, is largest, and the share of non-mated pairs below it.

        Of several it is the highest. Youden, Cancer 3(1), 1950.
        """
        import numpy as np

        values, mated, non_mated = self._rates
        gained = mated - non_mated
        best = int(np.argmax(gained >= gained.max(initial=-np.inf) - 1e-12))
        if not len(values) or gained[best] <= 0:
            return float("inf"), 1.0
        return float(values[best]), float(1 - non_mated[best])

    @cached_property
    def equal(self) -> float:
        """The score from which on FMR and FNMR are nearest to each other; of several the highest, infinite for none."""
        import numpy as np

        values, mated, non_mated = self._rates
        apart = np.append(1.0, np.abs(non_mated - (1 - mated)))
        return float(np.append(np.inf, values)[int(np.argmax(apart <= apart.min() + 1e-12))])

    @cached_property
    def fold_thresholds(self) -> NDArray[Any]:
        """For each pair the threshold that is best on the other folds, as ``accuracy`` has it: float64 [n]."""
        import numpy as np

        fold, _ = self.comparisons.folds()
        thresholds: NDArray[Any] = np.asarray(biometric.accuracy_thresholds(self.comparisons))[fold]
        return thresholds
