"""Plots of answers that are classes: confusion matrices, and how much of each class or subject was answered rightly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bench.metrics.classification import UNANSWERED, Classified, class_recalls

if TYPE_CHECKING:
    from bench.plots import Drawn

NO_ANSWER = "no answer"
# Okabe and Ito's colours, which people with colour blindness tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
DARK = 0.6  # the share from which a cell's figure is white


def classes(drawn: Sequence[Drawn]) -> Iterator[tuple[str, Any]]:
    """A confusion matrix a result, the classes' recalls and, of one question, the subjects' shares of right answers."""
    yield "confusion", _confusions(drawn)
    yield "recalls", _recalls(drawn)
    if len({one.entry.result.digest for one in drawn}) == 1 and all("subject" in one.trials for one in drawn):
        yield "subjects", _subjects(drawn)


def _classified(trials: dict[str, Any]) -> Classified:
    names = sorted({*trials["truth"], *trials["answer"]} - {""})
    place = {name: i for i, name in enumerate(names)} | {"": UNANSWERED}
    return Classified(names, *([place[name] for name in trials[column]] for column in ("truth", "answer")))


def _confusions(drawn: Sequence[Drawn]) -> Any:
    from matplotlib.figure import Figure

    made = [_classified(one.trials) for one in drawn]
    side = 1.6 + 0.8 * max(len(one.classes) for one in made)
    figure = Figure(figsize=(side + 1.6, side * len(drawn)), layout="constrained")
    panels = figure.subplots(len(drawn), squeeze=False)[:, 0]
    for axes, one, classified in zip(panels, drawn, made, strict=True):
        _confusion(axes, classified)
        axes.set_title(one.name, loc="left", fontsize=10)
    figure.suptitle(drawn[0].entry.result.protocol if len(drawn) == 1 else "", fontsize=10)
    return figure


def _confusion(axes: Any, classified: Classified) -> None:
    counts = classified.confusion()
    columns = [*classified.classes, NO_ANSWER]
    if not counts[:, -1].any():
        counts, columns = counts[:, :-1], columns[:-1]
    recalls = class_recalls(classified.confusion())
    told = [f"{name} ({recall:.0%})" for name, recall in zip(classified.classes, recalls, strict=True)]
    matrix(axes, counts, [name.replace("nan%", "none") for name in told], columns)
    axes.set(xlabel="answered", ylabel="true (recall)")


def matrix(axes: Any, counts: Any, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Counts as figures, each shaded by its share of its row: ``counts`` [rows, columns]."""
    import numpy as np

    there = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, there, out=np.zeros_like(counts), where=there > 0)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if share[row, column] > DARK else "0.1"
        axes.text(column, row, f"{count:,.0f}", ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(False)


def _recalls(drawn: Sequence[Drawn]) -> Any:
    """A row a class, a dot a result: the share of the class's samples that were answered with it, and its interval.

    Wilson's interval of 95 %, of samples as if each were drawn apart from the others.
    """
    import numpy as np
    from matplotlib.figure import Figure

    made = [_classified(one.trials) for one in drawn]
    names = sorted({name for one in made for name in one.classes}, reverse=True)
    figure = Figure(figsize=(7.2, 1.2 + len(names) * (0.3 + 0.12 * len(drawn))), layout="constrained")
    axes = figure.add_subplot()
    for number, (colour, one, classified) in enumerate(zip(COLOURS, drawn, made, strict=False)):
        counts = classified.confusion()
        there, right = counts.sum(axis=1), counts.diagonal()
        shown = there > 0
        middle, half = _wilson(right[shown], there[shown])
        at = np.array([names.index(name) for name in classified.classes])[shown]
        offset = 0.6 * ((number + 1) / (len(drawn) + 1) - 0.5)
        axes.hlines(at - offset, middle - half, middle + half, color=colour, linewidth=1.2)
        axes.plot(right[shown] / there[shown], at - offset, "o", color=colour, markersize=4, label=one.name)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="recall, with its interval of 95 %", xlim=(-0.02, 1.02), ylim=(-0.6, len(names) - 0.4))
    axes.set_title(drawn[0].entry.result.protocol, loc="left", fontsize=10)
    axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _wilson(right: Any, of: Any) -> tuple[Any, Any]:
    """The middle and half the width of Wilson's interval of a share, 95 %."""
    z = 1.959964
    wide = of + z * z
    return (right + z * z / 2) / wide, z * (right * (of - right) / of + z * z / 4) ** 0.5 / wide


def _subjects(drawn: Sequence[Drawn]) -> Any:
    import numpy as np

    told = []
    for one in drawn:
        right = np.array([a == b for a, b in zip(one.trials["truth"], one.trials["answer"], strict=True)])
        numbers, subject, count = np.unique(one.trials["subject"], return_inverse=True, return_counts=True)
        told.append((numbers, np.bincount(subject, right) / count, count))
    return by_subject(drawn, told, "share answered rightly", "samples")


def by_subject(drawn: Sequence[Drawn], told: Sequence[tuple[Any, Any, Any]], value: str, counted: str) -> Any:
    """A dot a subject and result, the subjects in the order of the first result; how many samples each has below.

    ``told``: of each result the subjects' numbers, a share of each, and a count of each; then what both are called.
    """
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.2), layout="constrained")
    axes, below = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    order: dict[int, int] = {}
    for colour, one, (numbers, share, count) in zip(COLOURS, drawn, told, strict=False):
        if not order:
            ranks = np.lexsort((numbers, -share)).tolist()
            order = {int(numbers[row]): place for place, row in enumerate(ranks)}
            below.bar([order[number] for number in numbers.tolist()], count, color="0.7")
        known = [i for i, number in enumerate(numbers.tolist()) if number in order]
        at = [order[int(numbers[i])] for i in known]
        axes.plot(at, share[known], "o", color=colour, markersize=4, label=one.name, alpha=0.8)
    axes.set(ylabel=value, ylim=(-0.04, 1.04))
    axes.set_title(drawn[0].entry.result.protocol, loc="left", fontsize=10)
    axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    below.set(xlabel="subject, by the first result", ylabel=counted)
    return figure


def plain_ticks(axis: Any) -> None:
    """Powers of ten of a logarithmic axis as plain numbers; names are drawn without mathematics, so ticks are, too."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
