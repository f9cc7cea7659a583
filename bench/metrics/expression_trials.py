"""Expression trials as the metrics take them, and whether another naming of the classes fits them better."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.metrics import expression, resampling
from bench.metrics.classification import UNANSWERED
from bench.metrics.expression import UNKNOWN, Expressions
from bench.metrics.metric import Estimate, Metric
from bench.parsed import REFUSAL, UNPARSED

if TYPE_CHECKING:
    from bench.answers import Table

REPLICATES, SEED = 1000, 0
TRAIN, VALID, NOT_KNOWN = "train", "valid", "unknown"
UNTRAINED, UNSEEN = "untrained", "unseen"  # without pictures that repeat one of train; or one of train or valid
SWAP = 0.10  # by how much another naming of the classes must be better to be told


class ExpressionTrials:
    """Trials as the metrics take them: all, and without pictures that repeat one of another split."""

    def __init__(self, trials: Table) -> None:
        import numpy as np

        found = trials.get("ferbench", [""] * len(trials["truth"]))
        self.classes = sorted({*trials["truth"], *trials["answer"], *_named(trials), *found} - {"", UNKNOWN})
        place = {name: i for i, name in enumerate(self.classes)} | {"": UNANSWERED, UNKNOWN: len(self.classes)}
        truth, answer = (np.array([place[n] for n in trials[column]]) for column in ("truth", "answer"))
        failure = np.array(trials["failure"], object)
        probability = np.full((len(truth), len(self.classes)), np.nan)
        if _named(trials):
            nothing = np.zeros(len(truth))
            probability = np.column_stack([trials.get(f"p.{name}", nothing) for name in self.classes])
        known = {
            "parse_failed": np.isin(failure, UNPARSED),
            "refused": failure == REFUSAL,
            "probability": probability.astype(np.float64),
            "compatible": np.array([place[n] for n in found]),
        }
        seen = np.array(trials["seen"], object)
        rows = {"": np.arange(len(truth))}
        if not (seen == NOT_KNOWN).any():
            rows |= {UNTRAINED: np.flatnonzero(seen != TRAIN), UNSEEN: np.flatnonzero(seen == "")}
        self.cluster: Any = trials["cluster"]
        self._rows = rows
        self._parts = {
            part: Expressions(self.classes, truth[at], answer[at], **{n: v[at] for n, v in known.items()})
            for part, at in rows.items()
            if len(at)
        }

    @property
    def whole(self) -> Expressions:
        """Every picture."""
        return self._parts[""]

    def has(self, metric: Metric) -> bool:
        """Whether these trials can tell it: probabilities, copies and FERBench's reading are not always there."""
        import numpy as np

        if metric in expression.FERBENCH_METRICS:
            return bool((self.whole.compatible >= 0).any())
        if metric in expression.CALIBRATED:
            return bool(np.isfinite(self.whole.probability).all(axis=1).any())
        return _part(metric) in self._parts

    def weights(self) -> Iterator[Any]:
        """Draws of clusters, the same for the same trials."""
        return resampling.identity_weights(self.cluster, self.cluster, REPLICATES, SEED)

    def compute(self, metric: Metric, weights: Any = None) -> Estimate:
        """A metric's value, NaN where these trials do not tell it."""
        if not self.has(metric):
            return Estimate(float("nan"))
        part = _part(metric)
        return metric.compute(self._parts[part], None if weights is None else weights[self._rows[part]])


def _part(metric: Metric) -> str:
    part = metric.name.rpartition(".")[0]
    return part if part in (UNTRAINED, UNSEEN) else ""


def _named(trials: Table) -> list[str]:
    return [name.removeprefix("p.") for name in trials if name.startswith("p.")]


def other_naming(answers: Expressions) -> str:
    """A naming of the answered classes that is right far more often, accuracy and UAR 10 points above; "" if none is.

    It is how a label map in another order, such as that of the alphabet, shows. Up to eight classes are looked at.
    """
    import numpy as np

    count = len(answers.classes)
    if not 2 <= count <= 8:
        return ""
    confusion = answers.confusion()[:, :-1]
    every = np.array(list(itertools.permutations(range(count))))
    places = np.arange(count)
    there = answers.confusion().sum(axis=1)
    hits = confusion[every, places]  # answer j counts as class every[:, j]
    best = every[hits.sum(axis=1).argmax()]
    share = np.divide(confusion, there[:, None], out=np.zeros_like(confusion), where=there[:, None] > 0)
    now, then = (confusion.trace() / there.sum(), confusion[best, places].sum() / there.sum())
    mean = (share.trace() / (there > 0).sum(), share[best, places].sum() / (there > 0).sum())
    chance = 3 / np.sqrt(there.sum())  # of a few pictures some naming is better by luck
    if then - now <= max(SWAP, chance) or mean[1] - mean[0] <= max(SWAP, chance):
        return ""
    names = answers.classes
    changed = ", ".join(f"{names[j]} as {names[k]}" for j, k in enumerate(best.tolist()) if j != k)
    return f"is the label map right? Reading {changed} would give {then:.1%} in place of {now:.1%}"
