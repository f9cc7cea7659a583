"""Plots of what was spotted: which emotions found intervals were given, and how much of each subject was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bench.class_plots import by_subject, matrix
from bench.metrics.spotting import Spotting
from bench.tasks.spotting import counted

if TYPE_CHECKING:
    from bench.plots import Drawn

OTHERS, MISSED = "another word or none", "not found"


def spotted(drawn: Sequence[Drawn]) -> Iterator[tuple[str, Any]]:
    """A confusion matrix a result and, of one question, the subjects' F1 over each other; intervals paired one to one.

    Raises ValueError where the results are of different videos.
    """
    if len({one.entry.result.digest for one in drawn}) > 1:
        raise ValueError("they are of different videos")
    made = [counted(one.trials) for one in drawn]
    yield "confusion", _confusions(drawn, made)
    yield "subjects", by_subject(drawn, [_f1(one) for one in made], "F1 of spotting", "true")


def _confusions(drawn: Sequence[Drawn], made: Sequence[Spotting]) -> Any:
    from matplotlib.figure import Figure

    side = 2.4 + 0.8 * max(len(one.classes) for one in made)
    figure = Figure(figsize=(side + 2.0, side * len(drawn)), layout="constrained")
    panels = figure.subplots(len(drawn), squeeze=False)[:, 0]
    for axes, one, spotting in zip(panels, drawn, made, strict=True):
        _confusion(axes, spotting)
        axes.set_title(one.name, loc="left", fontsize=10)
    figure.suptitle(drawn[0].entry.result.protocol, fontsize=10)
    return figure


def _confusion(axes: Any, spotting: Spotting) -> None:
    """Rows are the analysed emotions of true intervals, whether found or not."""
    import numpy as np

    pairs, there = spotting.tally("strict").confusion(None), spotting.true_of_classes
    counts = np.column_stack([pairs, there - pairs.sum(axis=1)])
    found = np.divide(pairs.sum(axis=1), there, out=np.zeros(len(there)), where=there > 0)
    rows = [f"{name} ({share:.0%} found)" for name, share in zip(spotting.classes, found, strict=True)]
    matrix(axes, counts, rows, [*spotting.classes, OTHERS, MISSED])
    axes.set(xlabel="answered", ylabel="true")


def _f1(spotting: Spotting) -> tuple[Any, Any, Any]:
    import numpy as np

    tp, fp, fn = spotting.tally("strict").counts.T
    whole = 2 * tp + fp + fn
    return spotting.subjects, np.divide(2 * tp, whole, out=np.zeros(len(whole)), where=whole > 0), tp + fn
