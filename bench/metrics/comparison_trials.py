"""Verification trials as the metrics take them, of one model for all folds or of one a fold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.metrics import biometric, resampling
from bench.metrics.biometric import Comparisons
from bench.metrics.metric import Estimate, Metric
from bench.results import Curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

FITTED = "each fold by the model fitted without its people"


class ComparisonTrials:
    """A table of trials (bench.tasks.verification) sorted once, so that each metric is cheap under many draws.

    Where a ``model`` column says whose fold's model compared, a pair counts as that of its own fold compared it.
    """

    def __init__(self, trials: dict[str, Any], replicates: int, seed: int) -> None:
        import numpy as np

        self._replicates, self._seed = replicates, seed
        self._models: list[_Model] = []
        if "model" in trials:
            self._models = [_Model.of(_rows(trials, trials["model"] == fold), fold) for fold in _folds(trials)]
            trials = _rows(trials, trials["model"] == trials["fold"])
            trials = _rows(trials, np.argsort(trials["trial"], kind="stable"))
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
