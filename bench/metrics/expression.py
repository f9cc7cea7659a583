"""Metrics of answers that name an expression: those of one confusion, of answers that said nothing, of calibration.

Calibration is of the answered samples that have probabilities. ``ferbench`` metrics count as the scorer of FERBench
does (github.com/zfkarl/UniFER, commit 1f1950f, each data set's own script), so that published figures can be compared,
with its flaws: a label is found as a substring, the first in the order of the candidates ("unhappy" is happy); where
the tags hold no label, or are missing, the whole reasoning is searched, first for labels, then for synonyms; "unknown"
is a class of its own of recall 0 in the macro means; what raised an error leaves the denominator.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.metrics.classification import MACRO_F1, UAR, WAR, Classified, class_f1, class_recalls
from bench.metrics.metric import Estimate, Metric

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Weights = NDArray[float64] | None

BINS = 15
LEAST = 1e-12  # the smallest probability that a logarithm is taken of
CALIBRATION = "Guo et al., On Calibration of Modern Neural Networks, ICML 2017"
FERBENCH = "Zhang et al., FERBench and UniFER, arXiv 2511.00389, 2025: its scorer as published"
UNKNOWN = "unknown"
TAGGED = r"<answer>(.*?)</answer>"
# In the order in which the scripts look for them.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "angry": ("anger",),
    "anger": ("angry",),
    "contempt": ("scorn", "disdain"),
    "disgust": ("revulsion", "repulsion"),
    "fear": ("terror", "fright"),
    "happy": ("joy", "happiness"),
    "happiness": ("joy", "happy"),
    "sad": ("sorrow", "unhappy"),
    "sadness": ("sad",),
    "neutral": ("normal", "calm", "blank"),
    "surprise": ("shock", "astonishment"),
}


class Expressions(Classified):
    """Classes true and answered, with what else is known of each answer.

    ``parse_failed``, ``refused``: bool [n]; ``probability``: float64 [n, k], NaN rows where there is none;
    ``compatible``: int [n], the class that FERBench's scorer finds, k for "unknown", -1 for what it leaves out.
    """

    def __init__(self, classes: Sequence[str], truth: Any, answered: Any, **known: Any) -> None:
        super().__init__(classes, truth, answered)
        self.parse_failed, self.refused = known["parse_failed"], known["refused"]
        self.probability, self.compatible = known["probability"], known["compatible"]


def _share(flags: Any, weights: Weights) -> Estimate:
    import numpy as np

    counted = np.ones(len(flags)) if weights is None else weights
    return Estimate(float((flags * counted).sum() / counted.sum()), resolution=len(flags))


def _parse_failure(answers: Expressions, weights: Weights = None) -> Estimate:
    return _share(answers.parse_failed, weights)


def _refusal(answers: Expressions, weights: Weights = None) -> Estimate:
    return _share(answers.refused, weights)


def _probable(answers: Expressions, weights: Weights) -> tuple[Any, Any, Any, str]:
    """Probabilities, truth and weights of the samples that have probabilities, and a note of the others."""
    import numpy as np

    there = np.isfinite(answers.probability).all(axis=1)
    counted = np.ones(len(there)) if weights is None else np.asarray(weights, np.float64)
    left = (
        f"over {there.sum():,} of {len(there):,} samples; the others have no probabilities" if not there.all() else ""
    )
    return answers.probability[there], answers.truth[there], counted[there], left


def _ece(answers: Expressions, weights: Weights = None) -> Estimate:
    import numpy as np

    p, truth, counted, note = _probable(answers, weights)
    confidence, right = p.max(axis=1, initial=0.0), p.argmax(axis=1) == truth
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(place, (confidence - right) * counted, BINS)
    total = counted.sum()
    return Estimate(float(abs(gaps).sum() / total) if total else float("nan"), note=note)


def _brier(answers: Expressions, weights: Weights = None) -> Estimate:
    import numpy as np

    p, truth, counted, note = _probable(answers, weights)
    apart = ((p - np.eye(p.shape[1])[truth]) ** 2).sum(axis=1)
    return Estimate(float(apart @ counted / counted.sum()) if counted.sum() else float("nan"), note=note)


def _nll(answers: Expressions, weights: Weights = None) -> Estimate:
    import numpy as np

    p, truth, counted, note = _probable(answers, weights)
    lost = -np.log(np.maximum(p[np.arange(len(p)), truth], LEAST))
    return Estimate(float(lost @ counted / counted.sum()) if counted.sum() else float("nan"), note=note)


@dataclass(frozen=True, slots=True)
class Scorer:
    """FERBench's reading of answers in one data set.

    ``words``: its candidates in their order; ``mad``: whether that is a synonym of anger there; ``lines``: whether tags
    may span lines and are written in small letters, as the script for SFEW has it.
    """

    words: tuple[str, ...]
    mad: bool = False
    lines: bool = False

    def read(self, text: str) -> str:
        """The word that the script finds in an answer, or "unknown"."""
        tagged = re.search(TAGGED, text, re.DOTALL if self.lines else re.IGNORECASE)
        for searched in (tagged.group(1).lower() if tagged else "", text.lower()):
            if found := next((word for word in self.words if word in searched), ""):
                return found
        for word, synonyms in SYNONYMS.items():
            more = ("mad",) if self.mad and word in ("anger", "angry") else ()
            if word in self.words and any(one in text.lower() for one in (*synonyms, *more)):
                return word
        return UNKNOWN


def _compatible(answers: Expressions, weights: Weights) -> Any:
    """float64 [k + 1, k + 1]: the confusion of FERBench's scorer, "unknown" the last of both."""
    import numpy as np

    there, size = answers.compatible >= 0, len(answers.classes) + 1
    counted = None if weights is None else weights[there]
    cells = answers.truth[there] * size + answers.compatible[there]
    return np.bincount(cells, counted, size * size).astype(np.float64).reshape(size, size)


def _ferbench_accuracy(answers: Expressions, weights: Weights = None) -> Estimate:
    confusion = _compatible(answers, weights)
    total = float(confusion.sum())
    return Estimate(float(confusion.diagonal().sum()) / total if total else float("nan"))


def _ferbench_macro(answers: Expressions, weights: Weights, recalls: bool) -> Estimate:
    """Means over every class that is true or found, "unknown" too; what is undefined counts 0."""
    import numpy as np

    confusion = _compatible(answers, weights)
    there = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    square = np.column_stack([confusion, np.zeros(len(confusion))])
    values = class_recalls(square) if recalls else class_f1(square)
    return Estimate(float(np.nan_to_num(values)[there].mean()) if there.any() else float("nan"))


def _ferbench_recall(answers: Expressions, weights: Weights = None) -> Estimate:
    return _ferbench_macro(answers, weights, recalls=True)


def _ferbench_f1(answers: Expressions, weights: Weights = None) -> Estimate:
    return _ferbench_macro(answers, weights, recalls=False)


# Not in the table of names, where "accuracy" is that of comparisons in ten folds.
ACCURACY = replace(WAR, name="accuracy", about="share of samples answered rightly, what says nothing being wrong (WAR)")
PARSE_FAILURE = Metric(
    "parse_failure",
    "lower",
    "%",
    _parse_failure,
    "bench.parsed",
    "share of answers that name no one class; all are wrong",
)
REFUSAL = Metric(
    "refusal", "lower", "%", _refusal, "bench.parsed", "share of answers that decline; among parse_failure"
)
ECE = Metric(
    "ece", "lower", "%", _ece, CALIBRATION, "gap of confidence and accuracy over 15 equal bins of the top class"
)
BRIER = Metric(
    "brier", "lower", "", _brier, "Brier, 1950", "mean squared distance of the probabilities from the truth, 0 to 2"
)
NLL = Metric("nll", "lower", "", _nll, CALIBRATION, "mean negative log-probability of the true class")
FERBENCH_METRICS = (
    Metric(
        "ferbench.accuracy", "higher", "%", _ferbench_accuracy, FERBENCH, "as FERBench's scorer counts, flaws and all"
    ),
    Metric("ferbench.macro_recall", "higher", "%", _ferbench_recall, FERBENCH, "as FERBench's scorer averages"),
    Metric("ferbench.macro_f1", "higher", "%", _ferbench_f1, FERBENCH, "as FERBench's scorer averages"),
)
CALIBRATED = (ECE, BRIER, NLL)
OF_ANSWERS = (PARSE_FAILURE, REFUSAL)
METRICS = (ACCURACY, UAR, MACRO_F1, *OF_ANSWERS, *CALIBRATED)
