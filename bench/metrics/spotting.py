"""Spotting then recognising: counts of intervals, both F1, and STRS, as the challenge's script counts and strictly.

A found interval fits a true one of its video and type where their intersection over union, last frames included, is at
least 0.5. STRS is the F1 of spotting times the F1 of analysis; the latter is the harmonic mean of mean precision and
mean recall over the declared classes, on pairs whose true emotion is one of them.

``official`` does what the script STRS-Metric does, in the order of the tables. Types are matched apart; where there are
both, the figures without a type are of one table of all:

* a found interval takes every true one that it fits and that is free: it may count several times;
* of several found intervals for one true one the first counts, whatever their overlaps;
* true intervals of a subject for whom nothing was found anywhere are ignored;
* what was found in a video without a true interval is ignored;
* a class is given 0 where all pairs are of that class and answered so; where that leaves no right answer at all the
  script prints NaN, and here the value is 0 with a note;
* the field it calls UAR is its mean precision (here ``uar_printed``), and its analysis FN repeats its analysis FP.

``strict`` pairs one to one, as many as can be (bench.metrics.matching), counts every video and subject, gives UAR as
the mean recall, and takes its means over the declared classes that some true interval of the set has: a class of which
nothing was spotted counts 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.metrics.matching import best_pairs, overlaps
from bench.metrics.metric import Estimate, Metric

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Weights = NDArray[float64] | None

FITS = 0.5
CITE = "STRS-Metric, the scorer announced for MEGC 2024 and 2025 (github.com/genbing99/STRS-Metric, commit eb86468)"
STRICT = "the definitions of STRS-Metric with one-to-one matching, every video counted and its errors mended"
TYPES = ("micro", "macro")


@dataclass(frozen=True, slots=True)
class Span:
    """An interval in a video: its first and last frame, the first no later than the last, and its emotion."""

    onset: int
    offset: int
    emotion: str


@dataclass(frozen=True, slots=True)
class Video:
    """The intervals of one type in one video of one subject, true ones and found ones, in the order of their tables.

    ``name``: which video, where its intervals of another type are given too.
    """

    subject: int
    type: str
    truth: tuple[Span, ...]
    found: tuple[Span, ...]
    name: str = ""


Pairs = list[tuple[int, int]]  # (found, true), by their places in a video


def official_pairs(fits: NDArray[Any]) -> Pairs:
    """What STRS-Metric pairs in a video; ``fits``: bool [found, true]."""
    import numpy as np

    pairs: Pairs = []
    free = np.ones(fits.shape[1], bool)
    for found, row in enumerate(fits):
        taken = np.flatnonzero(row & free).tolist()
        free[taken] = False
        pairs += [(found, true) for true in taken]
    return pairs


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted: for each subject, and for each pair.

    ``counts``: float64 [subjects, 3], TP, FP, FN; ``subject``, ``truth``, ``answered``: int [pairs], the last two
    positions among the classes, their number for any other emotion; ``there``: bool [classes], some truth is of it.
    """

    counts: NDArray[Any]
    subject: NDArray[Any]
    truth: NDArray[Any]
    answered: NDArray[Any]
    there: NDArray[Any]

    def summed(self, weights: Weights) -> tuple[float, float, float]:
        """TP, FP and FN, each subject counted ``weights`` times."""
        tp, fp, fn = self.counts.sum(axis=0) if weights is None else weights @ self.counts
        return float(tp), float(fp), float(fn)

    def confusion(self, weights: Weights) -> NDArray[float64]:
        """float64 [classes, classes + 1] of the pairs that are analysed: true by answered, the last column others."""
        import numpy as np

        size, analysed = len(self.there), self.truth < len(self.there)
        place = (self.truth * (size + 1) + self.answered)[analysed]
        drawn = None if weights is None else weights[self.subject[analysed]]
        return np.bincount(place, drawn, size * (size + 1)).astype(np.float64).reshape(size, size + 1)


class Spotting:
    """Videos as the metrics take them: matched once, tallied by subject, so that a draw of subjects is cheap.

    ``classes``: the emotions that are analysed, each written as in the intervals; ``subjects``: int64, ascending;
    ``true_of_classes``: int64 [classes], how many true intervals are of each.
    """

    def __init__(self, videos: Sequence[Video], classes: Sequence[str]) -> None:
        import numpy as np

        self.classes = tuple(classes)
        self.subjects: Any = np.array(sorted({video.subject for video in videos}), np.int64)
        # Who and what the script sees: subjects with an answer, videos with a truth, of one type and of all.
        heard = {(video.subject, type) for video in videos if video.found for type in {"", video.type}}
        called = [(video.name or number) for number, video in enumerate(videos)]
        shown = {
            (name, type) for name, video in zip(called, videos, strict=True) if video.truth for type in {"", video.type}
        }
        tallies: dict[tuple[str, str], list[tuple[Video, Pairs, int]]] = {}
        for name, video in zip(called, videos, strict=True):
            value = overlaps(*([(s.onset, s.offset) for s in spans] for spans in (video.found, video.truth)))
            value[value < FITS] = 0
            pairs = official_pairs(value > 0)
            spoilt = len(video.found) - len({found for found, _ in pairs})
            one_to_one = (video, best_pairs(value), len(video.found))
            for type in {"", video.type}:
                tallies.setdefault(("strict", type), []).append(one_to_one)
                if (video.subject, type) in heard:
                    as_printed = (video, pairs, len(pairs) + (spoilt if (name, type) in shown else 0))
                    tallies.setdefault(("official", type), []).append(as_printed)
        emotions = Counter(span.emotion for video in videos for span in video.truth)
        self.true_of_classes: Any = np.array([emotions[name] for name in self.classes], np.int64)
        self._there = self.true_of_classes > 0
        self._tallies = {key: self._tally(entries) for key, entries in tallies.items()}

    def tally(self, mode: str, type: str = "") -> Tally:
        """What ``mode`` counted of one type of interval, or of all."""
        return self._tallies.get((mode, type)) or self._tally([])

    def _tally(self, entries: list[tuple[Video, Pairs, int]]) -> Tally:
        import numpy as np

        row = {subject: i for i, subject in enumerate(self.subjects.tolist())}
        place = {emotion: i for i, emotion in enumerate(self.classes)}
        counts = np.zeros((len(row), 3))
        met: list[list[int]] = []
        for video, pairs, positives in entries:
            subject, hits = row[video.subject], len(pairs)
            counts[subject] += hits, positives - hits, len(video.truth) - hits
            for found, true in pairs:
                named = (video.truth[true].emotion, video.found[found].emotion)
                met.append([subject, *(place.get(emotion, len(place)) for emotion in named)])
        who, truth, answered = np.array(met, np.int64).reshape(-1, 3).T
        return Tally(counts, who, truth, answered, self._there)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _harmonic(one: float, other: float) -> float:
    return _share(2 * one * other, one + other)


def spotting_f1(tally: Tally, weights: Weights = None) -> float:
    """2 TP / (2 TP + FP + FN) over all subjects together; 0 where nothing was true or found."""
    tp, fp, fn = tally.summed(weights)
    return _share(2 * tp, 2 * tp + fp + fn)


@dataclass(frozen=True, slots=True)
class Analysis:
    """How the pairs' emotions agree: means over classes of precision, recall and F1, and TP, FP, FN over all."""

    precision: float
    recall: float
    uf1: float
    counts: tuple[float, float, float]

    @property
    def f1(self) -> float:
        """The harmonic mean of mean precision and mean recall; not the mean F1."""
        return _harmonic(self.precision, self.recall)


def analysis(tally: Tally, mode: str, weights: Weights = None) -> Analysis:
    """The emotions of the pairs whose true one is a declared class, counted as ``mode`` says."""
    import numpy as np

    confusion = tally.confusion(weights)
    hits, true, answered = confusion.diagonal(), confusion.sum(axis=1), confusion[:, :-1].sum(axis=0)
    kept = tally.there
    if mode == "official":
        kept = np.ones(len(kept), bool)
        hits = np.where(hits == confusion.sum(), 0, hits)
    zeros = np.zeros(len(kept))
    precision, recall, f1 = (
        np.divide(part, whole, out=zeros.copy(), where=whole > 0)
        for part, whole in ((hits, answered), (hits, true), (2 * hits, answered + true))
    )
    means = [float(one[kept].mean()) if kept.any() else 0.0 for one in (precision, recall, f1)]
    counts = (float(hits.sum()), float((answered - hits).sum()), float((true - hits).sum()))
    return Analysis(means[0], means[1], means[2], counts)


def _compute(spotting: Spotting, weights: Weights = None, *, mode: str, type: str, field: str) -> Estimate:
    tally = spotting.tally(mode, type)
    if field in ("tp", "fp", "fn"):
        return Estimate(tally.summed(weights)[("tp", "fp", "fn").index(field)])
    if field == "f1_spotting":
        return Estimate(spotting_f1(tally, weights))
    found = analysis(tally, mode, weights)
    note = "the official script prints NaN" if mode == "official" and not found.recall else ""
    values = {"f1_analysis": found.f1, "uf1_analysis": found.uf1, "uar_printed": found.precision, "uar": found.recall}
    values["strs"] = spotting_f1(tally, weights) * found.f1
    return Estimate(values[field], note=note if field in ("strs", "f1_analysis") else "")


ABOUT = {
    "strs": "F1 of spotting times F1 of analysis",
    "f1_spotting": "F1 of found intervals, all videos together",
    "f1_analysis": "harmonic mean of mean precision and mean recall of the emotions of spotted intervals",
    "uf1_analysis": "mean class F1 of the emotions of spotted intervals",
    "uar_printed": "what the official script prints as UAR: mean precision",
    "uar": "mean class recall of the emotions of spotted intervals",
    "tp": "true intervals found",
    "fp": "found intervals that fit none",
    "fn": "true intervals missed",
}
COUNTS = ("f1_spotting", "tp", "fp", "fn")
WITH_EMOTIONS = ("strs", "f1_spotting", "f1_analysis", "tp", "fp", "fn")  # of micro-expressions, as MEGC gives them
OFFICIAL = ("strs", "f1_spotting", "f1_analysis", "tp", "fp", "fn", "uf1_analysis", "uar_printed")
MENDED = ("strs", "f1_spotting", "f1_analysis", "tp", "fp", "fn", "uf1_analysis", "uar")


def _metric(mode: str, type: str, field: str) -> Metric:
    prefix = ("strict." if mode == "strict" else "") + (f"{type}." if type else "")
    counted = field in ("tp", "fp", "fn")
    said = ABOUT[field] + (f", {type}-expressions alone" if type else "") + (", strictly" if mode == "strict" else "")
    return Metric(
        prefix + field,
        "lower" if field in ("fp", "fn") else "higher",
        "" if counted else "%",
        partial(_compute, mode=mode, type=type, field=field),
        CITE if mode == "official" else STRICT,
        said,
    )


SPOTTING = tuple(
    _metric(m, "", field) for m, fields in (("official", OFFICIAL), ("strict", MENDED)) for field in fields
)
BY_TYPE = tuple(
    _metric(mode, type, field)
    for mode in ("official", "strict")
    for type, fields in zip(TYPES, (WITH_EMOTIONS, COUNTS), strict=True)
    for field in fields
)
