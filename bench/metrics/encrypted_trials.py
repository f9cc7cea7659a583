"""Verification trials that were scored twice: in the clear, and by the integers that matching under encryption gives.

The metrics of verification, once for either score, and what the second costs. Interval and threshold rules are those of
verification; both scores are drawn together, so a loss is paired.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.metrics import biometric
from bench.metrics.comparison_trials import ComparisonTrials
from bench.metrics.metric import Estimate, Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENCRYPTED = "_encrypted"


class EncryptedTrials:
    """Trials (bench.tasks.encrypted_verification) as the metrics take them.

    ``encrypted`` and ``plain`` are the same comparisons under the two scores; ``differ``, bool [n], are those that are
    decided differently, each at the threshold of its fold, as ``accuracy`` decides.
    """

    def __init__(self, trials: dict[str, Any], replicates: int, seed: int) -> None:
        import numpy as np

        self.encrypted = ComparisonTrials(trials, replicates, seed)
        self.plain = ComparisonTrials({**trials, "score": trials["plain_score"]}, replicates, seed)
        self._draw: Any = None
        self._known: dict[tuple[bool, str], Estimate] = {}
        self.matched = int(np.count_nonzero(trials["matched"]))
        self.security = int(trials["security"].min())
        self.differ = self._accepted(self.encrypted) != self._accepted(self.plain)

    def compute(self, metric: Metric, encrypted: bool, weights: NDArray[Any] | None = None) -> Estimate:
        """A metric of verification over one of the two scores; under one draw after the other each is computed once."""
        if self._draw is not weights:
            self._draw, self._known = weights, {}
        key = (encrypted, metric.name)
        if key not in self._known:
            self._known[key] = (self.encrypted if encrypted else self.plain).compute(metric, weights)
        return self._known[key]

    @staticmethod
    def _accepted(trials: ComparisonTrials) -> NDArray[Any]:
        import numpy as np

        decided = trials.decisions()
        if decided is None:
            return np.zeros(len(trials.trials["score"]), bool)
        accepted: NDArray[Any] = decided.given["score"] > decided.given["threshold"]
        return accepted


def encrypted(metric: Metric) -> Metric:
    """The metric of verification over the scores that encryption gives."""

    def compute(trials: EncryptedTrials, weights: NDArray[Any] | None = None) -> Estimate:
        return trials.compute(metric, True, weights)

    stem, at, rate = metric.name.partition("@")
    about = f"{stem}, of scores that matching under encryption gives"
    return Metric(f"{stem}{ENCRYPTED}{at}{rate}", metric.better, metric.unit, compute, metric.cite, about)


def plain(metric: Metric) -> Metric:
    """The metric of verification over the cosines of the vectors as they were before."""

    def compute(trials: EncryptedTrials, weights: NDArray[Any] | None = None) -> Estimate:
        return trials.compute(metric, False, weights)

    return Metric(metric.name, metric.better, metric.unit, compute, metric.cite, metric.about, metric.over_folds)


def _loss(trials: EncryptedTrials, weights: NDArray[Any] | None = None) -> Estimate:
    clear, hidden = (trials.compute(biometric.ACCURACY, encrypted, weights) for encrypted in (False, True))
    return Estimate(clear.value - hidden.value, note=clear.note)


def _differing(trials: EncryptedTrials, weights: NDArray[Any] | None = None) -> Estimate:
    if weights is None:
        return Estimate(float(trials.differ.sum()))
    drawn = weights[: len(trials.differ)]
    return Estimate(float(drawn[trials.differ].sum() / drawn.sum() * len(drawn)))


def _matched(trials: EncryptedTrials, weights: NDArray[Any] | None = None) -> Estimate:
    return Estimate(float(trials.matched))


def _security(trials: EncryptedTrials, weights: NDArray[Any] | None = None) -> Estimate:
    return Estimate(float(trials.security))


OWN = "bench.tasks.encrypted_verification"
ACCURACY_LOSS = Metric(
    "accuracy_loss", "lower", "%", _loss, OWN, "accuracy of cosines less that of scores under encryption, paired"
)
DIFFERING_PAIRS = Metric(
    "differing_pairs", "lower", "pairs", _differing, OWN, "pairs whose decision is another under encryption"
)
MATCHED_PAIRS = Metric(
    "matched_pairs",
    "higher",
    "pairs",
    _matched,
    OWN,
    "pairs that went through the protocol, each exactly as the formula has it",
)
SECURITY = Metric("matched_security_bits", "higher", "bit", _security, OWN, "bits of security of the keys they had")
ENCRYPTED_METRICS = (
    encrypted(biometric.ACCURACY),
    plain(biometric.ACCURACY),
    ACCURACY_LOSS,
    DIFFERING_PAIRS,
    MATCHED_PAIRS,
    SECURITY,
    encrypted(biometric.EER),
    plain(biometric.EER),
    plain(biometric.FTE),
)
