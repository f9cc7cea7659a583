"""Our metrics as modules of ``evaluate``, for people who live there: nothing is fetched, the values are the boards'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.errors import NeedsInstall, UnknownName, WrongUse
from bench.metrics import METRICS, metric
from bench.metrics.biometric import FTE, Comparisons
from bench.metrics.classification import UNANSWERED, Classified
from bench.metrics.identification import Searches
from bench.metrics.metric import Metric
from bench.metrics.spotting import Span, Spotting, Video

Columns = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Family:
    """Metrics of one kind of table.

    ``columns``: the inputs of ``compute``, each with its kind; ``prepare`` makes them, and what is given beside them,
    what the metrics take; ``metrics``: their names.
    """

    about: str
    columns: Mapping[str, str]
    prepare: Callable[..., Any]
    metrics: tuple[str, ...]


def _comparisons(given: Columns, folds: Any = None) -> Comparisons:
    return Comparisons(given["predictions"], given["references"], folds)


def _searches(given: Columns) -> Searches:
    return Searches(given["references"], given["predictions"], given["mated_score"], given["best_non_mated"])


def _classified(given: Columns, classes: Iterable[str] | None = None) -> Classified:
    named = list(classes) if classes is not None else sorted({*given["references"], *given["predictions"]} - {""})
    place = {name: i for i, name in enumerate(named)} | {"": UNANSWERED}
    if odd := {*given["references"], *given["predictions"]} - set(place):
        raise WrongUse("Classes were given.", f"{sorted(odd)[0]!r} is none of classes={named}.")
    return Classified(named, *([place[name] for name in given[of]] for of in ("references", "predictions")))


def _spotting(given: Columns, classes: Iterable[str] | None = None) -> Spotting:
    videos = [
        Video(int(subject), kind, _spans(truth), _spans(found))
        for subject, kind, truth, found in zip(
            given["subjects"], given["types"], given["references"], given["predictions"], strict=True
        )
    ]
    named = classes if classes is not None else {span.emotion for video in videos for span in video.truth}
    return Spotting(videos, sorted(named))


def _spans(rows: Iterable[Mapping[str, Any]]) -> tuple[Span, ...]:
    return tuple(Span(int(row["onset"]), int(row["offset"]), str(row["emotion"])) for row in rows)


def _of(*modules: str, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The names of the metrics that some modules of bench.metrics define."""
    ours = {f"bench.metrics.{name}" for name in modules}
    return tuple(m.name for m in METRICS.values() if _module(m) in ours and m.name not in without)


def _module(one: Metric) -> str:
    return str(getattr(getattr(one.compute, "func", one.compute), "__module__", ""))


FAMILIES: dict[str, Family] = {
    "verification": Family(
        "predictions: the score of each comparison, higher is more alike, NaN where it failed; references: 1 where it "
        "is of one person, else 0; folds=: the fold of each, for the accuracies",
        {"predictions": "float64", "references": "int64"},
        _comparisons,
        _of("biometric", "roc", without=(FTE.name,)),
    ),
    "identification": Family(
        "One row a probe. predictions: the rank of its person, from 1; references: 1 where that person is in the "
        "gallery, else 0; mated_score: that of the person, -inf where there is none; best_non_mated: the best other",
        {"predictions": "int64", "references": "int64", "mated_score": "float64", "best_non_mated": "float64"},
        _searches,
        _of("identification"),
    ),
    "classification": Family(
        'predictions, references: names of classes, "" for no answer; classes=: those declared, by default all seen',
        {"predictions": "string", "references": "string"},
        _classified,
        _of("classification"),
    ),
    "spotting": Family(
        "One row a video and type of interval. predictions, references: lists of {onset, offset, emotion}; subjects: "
        "whole numbers; types: micro or macro; classes=: the emotions analysed, by default all that are true somewhere",
        {"predictions": "spans", "references": "spans", "subjects": "int64", "types": "string"},
        _spotting,
        _of("spotting"),
    ),
}


def evaluate_metric(family: str, metrics: Iterable[str] = ()) -> Any:
    """The metrics of a family of FAMILIES, or those named, as one ``evaluate.EvaluationModule``.

    ``compute`` returns each by name, and NAME:bound where the value is only a bound ("at most", "at least"). Of those
    not named, what cannot be computed from the inputs (an accuracy over folds without ``folds=``) is left out. Raises
    UnknownName, and NeedsInstall without ``evaluate``.
    """
    if family not in FAMILIES:
        raise UnknownName.of("family of metrics", family, FAMILIES, "bench.evaluation.FAMILIES")
    chosen = FAMILIES[family]
    named = tuple(metrics)
    for name in named:
        if name not in chosen.metrics:
            raise UnknownName.of(f"metric of {family}", name, chosen.metrics, "facebench list metrics")
    try:
        import evaluate
    except ImportError:
        asked, do = f"The metrics of {family} were asked for.", "pip install evaluate -c constraints.txt"
        raise NeedsInstall(asked, "They are wrapped by evaluate, which is not installed.", do) from None
    body = {"_info": _informer(chosen), "_compute": _computer(chosen, named)}
    return type(family.title(), (evaluate.Metric,), body)(keep_in_memory=True)


def _informer(family: Family) -> Callable[[Any], Any]:
    def info(self: Any) -> Any:
        import evaluate

        cites = sorted({metric(name).cite for name in family.metrics})
        return evaluate.MetricInfo(
            description=f"{', '.join(family.metrics)}, as facebench computes them.",
            citation="\n".join(cites),
            inputs_description=family.about,
            features=_features(family),
        )

    return info


def _features(family: Family) -> Any:
    from datasets import Features, List, Value

    span = {"onset": Value("int64"), "offset": Value("int64"), "emotion": Value("string")}
    kinds = family.columns.items()
    return Features({name: List(span) if kind == "spans" else Value(kind) for name, kind in kinds})


def _computer(family: Family, named: tuple[str, ...]) -> Callable[..., dict[str, Any]]:
    def compute(self: Any, **given: Any) -> dict[str, Any]:
        columns = {name: given.pop(name) for name in family.columns}
        table = family.prepare(columns, **given)
        answer: dict[str, Any] = {}
        for one in map(metric, named or family.metrics):
            try:
                estimate = one.compute(table)
            except WrongUse:
                if named:
                    raise
                continue
            answer[one.name] = estimate.value
            if estimate.bound:
                answer[f"{one.name}:bound"] = estimate.bound
        return answer

    return compute
