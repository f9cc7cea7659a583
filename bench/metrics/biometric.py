"""Verification metrics over comparison scores: accuracy over folds, TAR, FNMR, EER, DET.

A comparison is accepted if its score lies above the threshold. A failed comparison (no vector) scores -inf: it is a
non-match, so an error where mated and never a false match, and it stays in every denominator.
FMR, FNMR and failure to extract as in ISO/IEC 19795-1.
"""

from __future__ import annotations

import bisect
import math
from fractions import Fraction
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from bench.errors import WrongUse
from bench.metrics.metric import Estimate, Metric

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import ArrayLike, NDArray

    Weights = NDArray[float64] | None

RULE_OF_THREE = 3  # with no event in n trials, 3/n is the 95 % bound: fewer than three expected resolve nothing

EQUAL = 1e-6  # comparisons: weights that are no whole numbers do not add up to the last bit


class Comparisons:
    """Scored comparisons, sorted once so that each metric is cheap under many weightings.

    ``score``: float64 [n], higher is more alike, NaN or -inf failed; ``mated``: bool [n]; ``fold``: int [n] or None;
    ``cosine``: float64 [n], that of the vectors where ``score`` is another similarity.
    Raises WrongUse for unequal lengths, +inf, or where one of the two kinds is absent.
    """

    def __init__(
        self, score: ArrayLike, mated: ArrayLike, fold: ArrayLike | None = None, cosine: ArrayLike | None = None
    ) -> None:
        import numpy as np

        self.score = _scores(score)
        self.mated = np.asarray(mated, dtype=bool)
        self.cosine = self.score if cosine is None else _scores(cosine)
        folds = None if fold is None else np.unique(np.asarray(fold), return_inverse=True)[1]
        lengths = {len(a) for a in (self.score, self.mated, self.cosine, folds) if a is not None}
        if len(lengths) != 1 or self.mated.all() or not self.mated.any():
            found = f"Lengths {sorted(lengths)}, {int(self.mated.sum())} mated of {len(self.mated)}."
            raise WrongUse("Comparisons were given.", found, "Give equally long arrays with both kinds in them.")
        self.fold = folds

    @cached_property
    def sides(self) -> tuple[Side, Side]:
        """The mated and the non-mated comparisons, each sorted by score."""
        return Side(self.score, self.mated), Side(self.score, ~self.mated)

    @cached_property
    def ranks(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Distinct finite scores in order, and each comparison's place among them (-1 where it failed)."""
        import numpy as np

        finite = np.isfinite(self.score)
        values, inverse = np.unique(self.score[finite], return_inverse=True)
        place = np.full(len(self.score), -1)
        place[finite] = inverse
        return values, place

    @cached_property
    def bins(self) -> NDArray[Any]:
        """Each comparison's first threshold of the insightface rule that accepts it; 400 where none does."""
        import numpy as np

        squared = np.where(np.isfinite(self.score), np.maximum(2 - 2 * self.cosine, 0), np.inf)
        return np.searchsorted(insightface_thresholds(), squared, side="right")

    def folds(self) -> tuple[NDArray[Any], int]:
        """Each comparison's fold from 0, and how many folds there are; raises WrongUse where fewer than two."""
        if self.fold is None or (count := int(self.fold.max()) + 1) < 2:
            raise WrongUse("An accuracy over folds was asked for.", "The comparisons have fewer than two folds.")
        return self.fold, count


def _scores(given: ArrayLike) -> NDArray[Any]:
    import numpy as np

    score = np.asarray(given, dtype=np.float64)
    nan = np.isnan(score)
    if nan.any():
        score = np.where(nan, -np.inf, score)
    if np.isposinf(score.max(initial=-np.inf)):
        raise WrongUse("Comparison scores were given.", "One is +inf.", "A failed comparison is NaN or -inf.")
    return score


class Side:
    """The scores of one kind in ascending order, ``count`` of them, and the weight up to each."""

    def __init__(self, score: NDArray[Any], chosen: NDArray[Any]) -> None:
        self._score, self._chosen = score, chosen
        self.values = score[chosen]
        self.values.sort()
        self.count = len(self.values)

    @cached_property
    def _order(self) -> NDArray[Any]:
        import numpy as np

        where = np.flatnonzero(self._chosen)
        return where[np.argsort(self._score[where], kind="stable")]

    def weight(self, weights: Weights) -> Weight:
        """The side under a weighting; None counts each comparison once."""
        return Weight(self.values, None if weights is None else weights[self._order])


class Weight:
    """How much of a side lies at or below a score.

    ``values``: scores in ascending order; ``weights``: how much each counts, float64, or whole numbers of an integer
    type, which are counted exactly; None for once each.
    """

    def __init__(self, values: NDArray[Any], weights: NDArray[Any] | None) -> None:
        import numpy as np

        self.values = values
        self._cumulated = None if weights is None else np.append(np.zeros(1, weights.dtype), np.cumsum(weights))
        self.total = float(len(values)) if self._cumulated is None else float(self._cumulated[-1])

    def upto(self, threshold: float) -> float:
        """The share that is not accepted at a threshold."""
        return self._lying_upto(threshold) / self.total

    def above(self, threshold: float) -> float:
        """The share that is accepted at a threshold; from its own count, as 1 - ``upto`` is off in the last bit."""
        return self.accepted(threshold) / self.total

    def accepted(self, threshold: float) -> float:
        """How much is accepted at a threshold."""
        return self.total - self._lying_upto(threshold)

    def from_on(self, threshold: float) -> float:
        """The share that lies at or above a threshold."""
        return (self.total - self._before(self.values.searchsorted(threshold, side="left"))) / self.total

    def _lying_upto(self, threshold: float) -> float:
        return self._before(self.values.searchsorted(threshold, side="right"))

    def _before(self, place: Any) -> float:
        return float(place if self._cumulated is None else self._cumulated[place])

    def threshold(self, rate: Fraction) -> float:
        """The lowest score above which at most ``rate`` of the side lies."""
        if self._cumulated is None:
            place = len(self.values) - 1 - int(len(self.values) * rate)
        elif self._cumulated.dtype.kind == "i":
            last = int(self.total) - 1 - int(int(self.total) * rate)
            place = int(self._cumulated.searchsorted(last, side="right")) - 1
        else:
            enough = self.total * (1 - float(rate)) - 1e-9 * self.total
            place = int(self._cumulated.searchsorted(enough, side="left")) - 1
        return self._value(place)

    def next_below(self, threshold: float) -> float:
        """The highest score below a threshold that counts; -inf where there is none."""
        place = int(self.values.searchsorted(threshold, side="left"))
        if self._cumulated is not None:
            place = int(self._cumulated.searchsorted(self._cumulated[place], side="left"))
        return self._value(place - 1)

    def _value(self, place: int) -> float:
        return float(self.values[place]) if place >= 0 else -math.inf


def insightface_thresholds() -> NDArray[Any]:
    """The 400 thresholds on squared distance of the insightface rule."""
    import numpy as np

    return np.arange(0, 4, 0.01)


def accuracy(comparisons: Comparisons, weights: Weights = None) -> Estimate:
    """Mean over folds of the share decided rightly, at the best threshold of the other folds.

    The `exact` rule: a threshold lies in the middle between two neighbouring distinct training scores, or beyond
    all; of several that are equally good it is the middle one. LFW View 2 (Huang et al. 2007).
    """
    folds, thresholds = _exact(comparisons, weights)
    return folds.mean(comparisons.ranks[0].searchsorted(thresholds, side="right").tolist())


def accuracy_thresholds(comparisons: Comparisons) -> NDArray[Any]:
    """The thresholds at which ``accuracy`` decides: float64 [folds], in the order of the folds' numbers."""
    return _exact(comparisons, None)[1]


def _exact(comparisons: Comparisons, weights: Weights) -> tuple[_Folds, NDArray[Any]]:
    import numpy as np

    values, place = comparisons.ranks
    folds = _Folds(comparisons, place, len(values), weights)
    gain, present = folds.gain.sum(axis=0), folds.present.sum(axis=0)
    best = [_best_threshold(values, gain - g, present - p > 0) for g, p in zip(folds.gain, folds.present, strict=True)]
    return folds, np.array(best)


def accuracy_insightface(comparisons: Comparisons, weights: Weights = None) -> Estimate:
    """Mean over folds of the share decided rightly by InsightFace's rule (deepinsight/insightface, verification.py).

    Squared distance of the normalised vectors, thresholds 0, 0.01, … 3.99, the same where it is below; of equally
    good training thresholds the first; folds as the list gives them.
    """
    import numpy as np

    thresholds = len(insightface_thresholds())
    # Bins ascend with distance, so rejecting "below a cut" reads the other way round.
    folds = _Folds(comparisons, thresholds - comparisons.bins, thresholds + 1, weights)
    gain = folds.gain.sum(axis=0)
    cuts = []
    for k in range(folds.count):
        training = (gain - folds.gain[k])[thresholds:0:-1]
        cuts.append(thresholds - int(np.argmax(training >= training.max() - EQUAL)))
    return folds.mean(cuts)


class _Folds:
    """Per fold, what rejecting every bin below a cut gains over accepting all."""

    def __init__(self, comparisons: Comparisons, bins: NDArray[Any], count: int, weights: Weights) -> None:
        import numpy as np

        fold, self.count = comparisons.folds()
        mated, seen = comparisons.mated, bins >= 0
        weight = np.ones(len(fold))
        if weights is not None:  # a fold keeps its share of mated comparisons, which the protocol fixes
            kind = 2 * fold + mated
            drawn = np.bincount(kind, weights, 2 * self.count)
            weight = weights * (np.bincount(kind, minlength=2 * self.count) / np.maximum(drawn, 1e-300))[kind]
        flat, size = (fold * count + bins)[seen], self.count * count
        signed = np.where(mated, -weight, weight)[seen]
        self.gain = np.zeros((self.count, count + 1))
        np.cumsum(np.bincount(flat, signed, size).reshape(self.count, count), axis=1, out=self.gain[:, 1:])
        self.present = np.bincount(flat, weight[seen], size).reshape(self.count, count)
        # Accepting all is right for the mated; the failed are rejected whatever the cut.
        self._base = np.bincount(fold, weight * (mated == seen), self.count)
        self._total = np.bincount(fold, weight, self.count)

    def mean(self, cuts: list[int]) -> Estimate:
        """The mean of the folds' shares at their cuts; a fold that a draw left empty is no fold."""
        import numpy as np

        right = self._base + self.gain[np.arange(self.count), cuts]
        shares = right[self._total > 0] / self._total[self._total > 0]
        return Estimate(float(shares.mean()), folds=tuple(shares.tolist()), resolution=round(float(self._total.sum())))


def _best_threshold(values: NDArray[Any], gain: NDArray[Any], present: NDArray[Any]) -> float:
    """The middle one of the equally good thresholds between neighbouring training scores; of two the lower.

    Their mean would be none of them where worse ones lie between.
    """
    import numpy as np

    there = np.flatnonzero(present)
    if not len(there):
        return 0.0
    scores = values[there]
    between = np.concatenate([[scores[0] - 1], (scores[:-1] + scores[1:]) / 2, [scores[-1] + 1]])
    reached = gain[np.append(there, there[-1] + 1)]
    best = between[reached >= reached.max() - EQUAL]
    return float(best[(len(best) - 1) // 2])


def resolved(count: int, rate: str) -> tuple[str | None, str]:
    """Whether ``count`` non-mated comparisons resolve a rate: None and "", or how the TAR is bounded, and why."""
    needed = math.ceil(RULE_OF_THREE / Fraction(rate))
    if count >= needed:
        return None, ""
    return "at most", f"a rate of {rate} needs {needed:,} non-mated comparisons, there are {count:,}"


def _tar(comparisons: Comparisons, weights: Weights = None, *, rate: str) -> Estimate:
    mated, non_mated = comparisons.sides
    bound, note = resolved(non_mated.count, rate)
    threshold = non_mated.weight(weights).threshold(Fraction(rate))
    return Estimate(mated.weight(weights).above(threshold), bound=bound, resolution=mated.count, note=note)


def _fnmr(comparisons: Comparisons, weights: Weights = None, *, rate: str) -> Estimate:
    mated, non_mated = comparisons.sides
    bound, note = resolved(non_mated.count, rate)
    threshold = non_mated.weight(weights).threshold(Fraction(rate))
    value = mated.weight(weights).upto(threshold)
    return Estimate(value, bound="at least" if bound else None, resolution=mated.count, note=note)


def eer(comparisons: Comparisons, weights: Weights = None) -> Estimate:
    """The rate at which FMR and FNMR are equal, on the line between the two operating points around it.

    Operating points are those of every distinct score, and accepting all that did not fail. Where failures alone
    make FNMR the larger everywhere, the mean of the two rates when accepting all.
    """
    import numpy as np

    resolution = min(side.count for side in comparisons.sides)
    mated, non_mated = (side.weight(weights) for side in comparisons.sides)

    def rates(threshold: float) -> tuple[float, float]:
        return non_mated.above(threshold), mated.upto(threshold)

    def crossed(threshold: float) -> bool:
        fmr, fnmr = rates(threshold)
        return fnmr >= fmr

    if crossed(-np.inf):
        return Estimate(sum(rates(-np.inf)) / 2, resolution=resolution)
    after, before = np.inf, -np.inf
    for side in (mated.values, non_mated.values):
        place = bisect.bisect_left(side, True, key=crossed)
        after = min(after, side[place]) if place < len(side) else after
    for side in (mated.values, non_mated.values):
        place = int(side.searchsorted(after, side="left")) - 1
        before = max(before, side[place]) if place >= 0 else before
    (fmr0, fnmr0), (fmr1, fnmr1) = rates(before), rates(after)
    along = (fmr0 - fnmr0) / ((fmr0 - fnmr0) + (fnmr1 - fmr1))
    return Estimate(fmr0 + along * (fmr1 - fmr0), resolution=resolution)


def failure_to_extract(failed: NDArray[Any], weights: Weights = None) -> Estimate:
    """The share of samples of which the method made no vector; ``failed``: bool [samples], not comparisons."""
    value = failed.mean() if weights is None else (weights @ failed) / weights.sum()
    return Estimate(float(value), resolution=len(failed))


def det_points(comparisons: Comparisons, most: int = 200) -> tuple[tuple[float, float], ...]:
    """Corners (FMR, FNMR) of the DET curve from rejecting all to accepting all that did not fail, FMR ascending.

    All corners where there are at most ``most`` (2 or more); else both ends, and between them the last corner up to
    each FMR of a logarithmic grid from one false match to all. Rates to six significant digits.
    """
    import numpy as np

    mated, non_mated = (side.values for side in comparisons.sides)
    levels = np.unique(mated)
    below = non_mated.searchsorted(levels)
    # Between two mated scores only the highest non-mated one can be a corner.
    ends = [[-np.inf], levels, non_mated[below[below > 0] - 1], non_mated[-1:]]
    thresholds = np.unique(np.concatenate(ends))[::-1]
    accepted = len(non_mated) - non_mated.searchsorted(thresholds, side="right")
    rejected = mated.searchsorted(thresholds, side="right")
    flat, steep = np.diff(rejected) == 0, np.diff(accepted) == 0
    straight = flat[:-1] & flat[1:] | steep[:-1] & steep[1:]
    first, last = 0, len(thresholds) - 1
    corners = np.unique([first, *(np.flatnonzero(~straight) + 1), last])
    if len(corners) > most:
        grid = np.geomspace(1, len(non_mated), most - 2)
        nearest = corners[accepted[corners].searchsorted(grid, side="right") - 1]
        corners = np.unique([first, *nearest, last])
    rates = zip(accepted[corners] / len(non_mated), rejected[corners] / len(mated), strict=True)
    return tuple((float(f"{fmr:.6g}"), float(f"{fnmr:.6g}")) for fmr, fnmr in rates)


ISO = "ISO/IEC 19795-1"
ACCURACY = Metric(
    "accuracy",
    "higher",
    "%",
    accuracy,
    "Huang et al., UMass report 07-49, 2007",
    "k-fold accuracy, exact thresholds",
    over_folds=True,
)
ACCURACY_INSIGHTFACE = Metric(
    "accuracy_insightface",
    "higher",
    "%",
    accuracy_insightface,
    "deepinsight/insightface, verification.py",
    "k-fold accuracy by InsightFace's grid of 400 thresholds",
    over_folds=True,
)
EER = Metric("eer", "lower", "%", eer, ISO, "equal error rate")
FTE = Metric("fte", "lower", "%", failure_to_extract, ISO, "samples of which the method made nothing")


def tar_at_far(rate: str) -> Metric:
    """The share of mated comparisons above the threshold that at most ``rate`` of the non-mated ones pass.

    The threshold is the non-mated score of rank floor(n * rate) + 1, so ties never let more pass. With fewer than
    three expected false accepts (Hanley and Lippman-Hand 1983) the value is an upper bound.
    """
    return Metric(f"tar@far={rate}", "higher", "%", partial(_tar, rate=rate), ISO, f"true accepts at {rate} false ones")


def fnmr_at_fmr(rate: str) -> Metric:
    """One minus the true accept rate at the same threshold; a lower bound where that is an upper one."""
    return Metric(f"fnmr@fmr={rate}", "lower", "%", partial(_fnmr, rate=rate), ISO, f"false non-matches at FMR {rate}")
