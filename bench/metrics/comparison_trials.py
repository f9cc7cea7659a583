"""Verification trials as the metrics take them, of one model for all folds or of one a fold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from bench.cases import Cases, Decisions, ErrorRate
from bench.metrics import biometric, resampling
from bench.metrics.biometric import Comparisons
from bench.metrics.metric import Estimate, Metric
from bench.results import Curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

FITTED = "each fold by the model fitted without its people"
GROUP_RATES = ("1e-2", "1e-3")  # the FMRs whose thresholds errors by group are counted at


class ComparisonTrials:
    """A table of trials (bench.tasks.verification) sorted once, so that each metric is cheap under many draws.

    Where a ``model`` column says whose fold's model compared, a pair counts as that of its own fold compared it;
    ``trials`` are the rows that count, one a pair.
    """

    def __init__(self, trials: dict[str, Any], replicates: int, seed: int) -> None:
        import numpy as np

        self._replicates, self._seed = replicates, seed
        self._models: list[_Model] = []
        if "model" in trials:
            self._models = [_Model.of(_rows(trials, trials["model"] == fold), fold) for fold in _folds(trials)]
            trials = _rows(trials, trials["model"] == trials["fold"])
            trials = _rows(trials, np.argsort(trials["trial"], kind="stable"))
        self.trials = trials
        self._whole = Comparisons(trials["score"], trials["mated"], trials["fold"], trials.get("cosine"))
        self._first, self._second = trials["reference_subject"], trials["probe_subject"]
        self._compared = len(self._first)
        if "failure" in trials:
            self.reasons: list[str] = trials["failure"]
            return
        _, once = np.unique(np.concatenate([trials["reference"], trials["probe"]]), return_index=True)
        both = trials["reference_failure"] + trials["probe_failure"]
        self.reasons = [both[i] for i in once.tolist()]
        self._failed = np.array([bool(reason) for reason in self.reasons])
        # A sample is drawn as often as its person, a comparison as the two persons in it.
        subjects = np.concatenate([self._first, self._second])[once]
        self._first, self._second = (np.concatenate([side, subjects]) for side in (self._first, self._second))

    @property
    def samples_known(self) -> bool:
        """Whether the trials say which samples failed, not only which comparisons."""
        return len(self._first) > self._compared

    def weights(self) -> Iterator[NDArray[Any]]:
        """Draws of identities, the same for the same trials."""
        return resampling.identity_weights(self._first, self._second, self._replicates, self._seed, self._compared)

    def compute(self, metric: Metric, weights: NDArray[Any] | None = None) -> Estimate:
        """A metric's value, under one draw of identities where ``weights`` are given.

        Of models fitted a fold, the mean over the folds that a draw left with both kinds.
        """
        if metric.name == biometric.FTE.name:
            return metric.compute(self._failed, None if weights is None else weights[self._compared :])
        drawn = None if weights is None else weights[: self._compared]
        if not self._models:
            return metric.compute(self._whole, drawn)
        found = [model.compute(metric, drawn) for model in self._models]
        return _mean([estimate for estimate in found if estimate is not None], metric)

    def accepted(self, rate: str) -> tuple[NDArray[Any], str]:
        """Which of ``trials`` pass the threshold of an FMR, and why they are too few to resolve it ("" where not).

        The threshold is fixed on all pairs; of models fitted a fold, whose scores do not compare, on each fold's.
        """
        import numpy as np

        score, why = self._whole.score, ""
        passed = np.zeros(len(score), bool)
        parts = [(self.trials["fold"] == model.fold, model.tested) for model in self._models]
        for inside, comparisons in parts or [(np.ones(len(score), bool), self._whole)]:
            non_mated = comparisons.sides[1]
            why = why or biometric.resolved(non_mated.count, rate)[1]
            passed[inside] = score[inside] > non_mated.weight(None).threshold(Fraction(rate))
        return passed, why

    def decisions(self) -> Decisions | None:
        """Which pairs are decided rightly at the threshold of their fold, as ``accuracy`` does; None without folds."""
        import numpy as np

        if len(np.unique(self.trials["fold"])) < 2:
            return None
        thresholds = [biometric.accuracy_thresholds(model.all)[-1] for model in self._models]
        fold, _ = self._whole.folds()
        threshold = np.asarray(thresholds or biometric.accuracy_thresholds(self._whole))[fold]
        which = ("trial", "fold", "mated", "reference_subject", "probe_subject")
        return Decisions(
            rule="a pair is accepted above the threshold that is best on the other folds, as accuracy has it",
            right=(self._whole.score > threshold) == self._whole.mated,
            which={name: self.trials[name] for name in which},
            given={"score": self._whole.score, "threshold": threshold},
        )

    def cases(self) -> Cases:
        """Errors of pairs at the thresholds of GROUP_RATES; then of images without a vector, where those are known."""
        import numpy as np

        pairs, who = (
            np.stack([self.trials[f"reference{of}"], self.trials[f"probe{of}"]], axis=1) for of in ("", "_subject")
        )
        samples, once = np.unique(pairs.T.ravel(), return_index=True)
        image = np.arange(len(pairs) + len(samples)) >= len(pairs)
        mated, non_mated = (
            np.append(kind, np.zeros(len(samples), bool)) for kind in (self._whole.mated, ~self._whole.mated)
        )
        rates, notes = [], [f"thresholds are fixed fold by fold, {FITTED}"] if self._models else []
        for rate in GROUP_RATES:
            accepted, why = self.accepted(rate)
            if why:
                notes.append(f"no threshold of FMR {rate}: {why}")
                continue
            passed, about = np.append(accepted, np.zeros(len(samples), bool)), f"at an FMR of {rate} over all pairs"
            rates.append(ErrorRate(f"fnmr@fmr={rate}", f"false non-matches {about}", mated, ~passed))
            rates.append(ErrorRate(f"fmr@fmr={rate}", f"false matches {about}", non_mated, passed, rate))
        if self.samples_known:
            rates.append(
                ErrorRate("fte", biometric.FTE.about, image, np.append(np.zeros(len(pairs), bool), self._failed))
            )
        return Cases(
            samples=np.concatenate([pairs, np.stack([samples] * 2, axis=1)]),
            subjects=np.concatenate([who, np.stack([who.T.ravel()[once]] * 2, axis=1)]),
            compared=len(pairs),
            counts={"images": image, "mated": mated, "non-mated": non_mated},
            rates=tuple(rates),
            notes=tuple(notes),
        )

    def curves(self) -> tuple[Curve, ...]:
        """The DET curve, or one a fold's model, as their scores do not compare."""
        if not self._models:
            return (Curve("det", "fmr", "fnmr", biometric.det_points(self._whole)),)
        return tuple(
            Curve(f"det fold {model.fold}", "fmr", "fnmr", biometric.det_points(model.tested, 50))
            for model in self._models
        )


@dataclass(frozen=True, slots=True)
class _Model:
    """One fold's model: its comparisons of every pair, the fold marked 1, and those of the fold's own pairs."""

    fold: int
    inside: NDArray[Any]
    all: Comparisons
    tested: Comparisons

    @classmethod
    def of(cls, trials: dict[str, Any], fold: int) -> _Model:
        inside = trials["fold"] == fold
        own = _rows(trials, inside)
        return cls(
            fold,
            inside,
            Comparisons(trials["score"], trials["mated"], inside, trials.get("cosine")),
            Comparisons(own["score"], own["mated"], None, own.get("cosine")),
        )

    def compute(self, metric: Metric, weights: NDArray[Any] | None) -> Estimate | None:
        """The metric on the fold's own pairs; None where a draw left no mated or no non-mated one."""
        own = None if weights is None else weights[self.inside]
        if own is not None and not (own[self.tested.mated].any() and own[~self.tested.mated].any()):
            return None
        if not metric.over_folds:
            return metric.compute(self.tested, own)
        value = metric.compute(self.all, weights).folds[-1]
        return Estimate(value, resolution=len(self.tested.mated))


def _mean(found: list[Estimate], metric: Metric) -> Estimate:
    import numpy as np

    values = tuple(estimate.value for estimate in found)
    notes = sorted({estimate.note for estimate in found if estimate.note})
    return Estimate(
        float(np.mean(values)) if values else float("nan"),
        folds=values,
        bound=next((estimate.bound for estimate in found if estimate.bound), None),
        resolution=sum(estimate.resolution for estimate in found),
        note="; ".join([FITTED if metric.over_folds else f"mean over folds, {FITTED}", *notes]),
    )


def _folds(trials: dict[str, Any]) -> list[int]:
    return sorted(set(trials["model"].tolist()))


def _rows(trials: dict[str, Any], chosen: Any) -> dict[str, Any]:
    """Some rows of a table, by a mask or by position."""
    import numpy as np

    positions = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
    return {
        name: [column[i] for i in positions.tolist()] if isinstance(column, list) else column[positions]
        for name, column in trials.items()
    }
