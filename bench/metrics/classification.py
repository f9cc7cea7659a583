"""Classification metrics from one pooled confusion matrix: accuracy (WAR), UAR, and the mean F1 of the classes (UF1).

The classes are declared, never inferred from what was answered. A sample without an answer stands in a column of its
own: it is a miss of its class and a false alarm of none. A class that no truth has leaves the mean of UAR, as its
recall is not defined; it leaves the mean of UF1 only where it was never answered either, and counts 0 there if it was.
Those are the rules of scikit-learn's balanced_accuracy_score and f1_score(average="macro").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.errors import WrongUse
from bench.metrics.metric import Estimate, Metric

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Weights = NDArray[float64] | None

MEGC = "See et al., MEGC 2019: The Second Facial Micro-Expressions Grand Challenge, FG 2019"
POOLED = "Opitz and Burst, Macro F1 and Macro F1, arXiv 1911.03347, 2019: the mean of class F1"
UNANSWERED = -1


class Classified:
    """One class a sample, true and answered.

    ``classes``: the declared names; ``truth``: int [n], positions among them; ``answered``: int [n], likewise, -1 where
    there is no answer. Raises WrongUse where there is no sample or a position is of no class.
    """

    def __init__(self, classes: Sequence[str], truth: Any, answered: Any) -> None:
        import numpy as np

        self.classes = tuple(classes)
        self.truth, self.answered = np.asarray(truth, np.int64), np.asarray(answered, np.int64)
        count = len(self.classes)
        known = ((self.truth >= 0) & (self.truth < count)).all()
        known = known and ((self.answered >= UNANSWERED) & (self.answered < count)).all()
        if not len(self.truth) or len(self.truth) != len(self.answered) or not known:
            found = f"There are {len(self.truth)} true and {len(self.answered)} answered ones for {count} classes."
            raise WrongUse("Classes were given.", found, "Give as many of both, each of a declared class.")

    def confusion(self, weights: Weights = None) -> NDArray[float64]:
        """float64 [k, k + 1]: rows are true classes, columns answered ones, the last column no answer."""
        import numpy as np

        count = len(self.classes)
        column = np.where(self.answered == UNANSWERED, count, self.answered)
        size = count * (count + 1)
        counted = np.bincount(self.truth * (count + 1) + column, weights, size).astype(np.float64)
        return counted.reshape(count, count + 1)


def class_recalls(confusion: NDArray[float64]) -> NDArray[float64]:
    """float64 [k]: the share of a class's samples that were answered with it; NaN where no truth has it."""
    import numpy as np

    there = confusion.sum(axis=1)
    recalls = np.full(len(there), np.nan)
    np.divide(confusion.diagonal(), there, out=recalls, where=there > 0)
    return recalls


def class_f1(confusion: NDArray[float64]) -> NDArray[float64]:
    """float64 [k]: 2 TP / (2 TP + FP + FN) of a class; NaN where it is neither true nor answered."""
    import numpy as np

    both = confusion.sum(axis=1) + confusion[:, :-1].sum(axis=0)
    f1 = np.full(len(both), np.nan)
    np.divide(2 * confusion.diagonal(), both, out=f1, where=both > 0)
    return f1


def war(classified: Classified, weights: Weights = None) -> Estimate:
    """Weighted average recall: the share of samples answered rightly, which is accuracy."""
    confusion = classified.confusion(weights)
    total = float(confusion.sum())
    value = float(confusion.diagonal().sum()) / total if total else float("nan")
    return Estimate(value, resolution=len(classified.truth))


def uar(classified: Classified, weights: Weights = None) -> Estimate:
    """Unweighted average recall: the mean of the recalls of the classes that are there."""
    return _mean(class_recalls(classified.confusion(weights)), classified)


def uf1(classified: Classified, weights: Weights = None) -> Estimate:
    """The mean of the F1 of the classes, each from the pooled confusion: macro-F1."""
    return _mean(class_f1(classified.confusion(weights)), classified)


def _mean(values: NDArray[float64], classified: Classified) -> Estimate:
    """The mean over classes; it rests on as many samples as if every class had those of the smallest."""
    import numpy as np

    there = values[~np.isnan(values)]
    left = f"over {len(there)} of {len(values)} classes; no truth has the others" if len(there) < len(values) else ""
    counts = np.bincount(classified.truth)
    counts = counts[counts > 0]
    rests = int(counts.min()) * len(counts) if len(counts) else 0
    return Estimate(float(there.mean()) if len(there) else float("nan"), resolution=rests, note=left)


WAR = Metric("war", "higher", "%", war, MEGC, "share of samples answered rightly, that is accuracy")
UAR = Metric("uar", "higher", "%", uar, MEGC, "mean recall of the classes that are there, from pooled counts")
UF1 = Metric("uf1", "higher", "%", uf1, MEGC, "mean F1 of the classes, from pooled counts")
MACRO_F1 = Metric("macro_f1", "higher", "%", uf1, POOLED, "mean F1 of the classes, as uf1, where that is its name")


def within(part: str, metric: Metric) -> Metric:
    """A metric of the samples of one data set alone, its name before the metric's: ``smic.uf1``."""
    return replace(metric, name=f"{part}.{metric.name}", about=f"{metric.about}; {part} alone")
