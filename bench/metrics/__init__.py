"""Metrics as values: a name that parses back, a direction, a unit, a pure function and its source.

``METRICS`` is the one table of names; a protocol holds the metrics it reports, the first its headline.
"""

from __future__ import annotations

from bench.errors import UnknownName
from bench.metrics import biometric, classification, encrypted_trials, expression, identification, roc, spotting, timing
from bench.metrics.metric import Metric

RATES = ("1e-1", "1e-2", "1e-3", "1e-4", "1e-5", "1e-6")
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        biometric.ACCURACY,
        biometric.ACCURACY_INSIGHTFACE,
        *(biometric.tar_at_far(rate) for rate in RATES),
        *(biometric.fnmr_at_fmr(rate) for rate in RATES),
        *(roc.tar_nearest_far(rate) for rate in RATES),
        *(roc.tar_interpolated_far(rate) for rate in RATES),
        *(identification.at_rank(k) for k in (1, 5, 10)),
        *(identification.fnir_at_fpir(rate) for rate in ("1e-1", "1e-2", "1e-3")),
        biometric.EER,
        biometric.FTE,
        *(classification.WAR, classification.UAR, classification.UF1, classification.MACRO_F1),
        *spotting.SPOTTING,
        *spotting.BY_TYPE,
        *(*expression.OF_ANSWERS, *expression.CALIBRATED, *expression.FERBENCH_METRICS),
        *timing.LISTED,
        *(m for m in encrypted_trials.ENCRYPTED_METRICS if m.name not in ("accuracy", "eer", "fte")),
    )
}


def metric(name: str) -> Metric:
    """The metric of that name; raises UnknownName with the nearest ones."""
    try:
        return METRICS[name]
    except KeyError:
        raise UnknownName.of("metric", name, METRICS, "facebench list metrics") from None
