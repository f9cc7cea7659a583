"""Plots of results: DET, ROC and score histograms of comparisons, CMC and FNIR over FPIR of searches.

Of classes confusion matrices (bench.class_plots), of intervals timelines (bench.timelines) and what was found
(bench.spotting_plots), of what encryption costs time against the gallery and breakdowns (bench.timing_plots).

What is drawn follows from the columns of the trials, not from the name of a task. DET curves are on logarithmic axes,
as in NIST's evaluations of face recognition, and are steps: at each FMR stands the FNMR of the threshold that lets at
most that share pass, as in the scores. A part on which fewer than three events are expected is dotted.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import boards
from bench.answers import Table, write
from bench.class_plots import COLOURS, classes
from bench.errors import Mismatch, NeedsInstall, NotAResult, UnknownName, WrongUse
from bench.inversion_plots import attacks
from bench.leaderboard import Entry
from bench.metrics import biometric
from bench.metrics.biometric import Comparisons
from bench.metrics.comparison_trials import FITTED
from bench.spotting_plots import spotted
from bench.timelines import timelines
from bench.timing_plots import timings
from bench.wording_plots import wordings

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("svg", "png")
MOST, MOST_CELLS = 8, 256  # results on one plot: more cannot be told apart; or in one table
MOST_NAME = 60
POINTS, BINS = 1000, 80
MARKED = ("1e-2", "1e-3")  # FMRs whose thresholds stand in a histogram
STYLE = {
    "svg.hashsalt": "facebench",
    "svg.fonttype": "none",
    "text.parse_math": False,  # names come from strangers
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "legend.frameon": False,
}
MATED, NON_MATED = "#0072b2", "#d55e00"


@dataclass(frozen=True, slots=True)
class Line:
    """A curve: float64 [n] each, ``x`` ascending; below ``resolved`` on the x axis it is dotted."""

    x: NDArray[Any]
    y: NDArray[Any]
    resolved: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is drawn of one result: ``name`` as it stands in the legend, the result and its trials."""

    name: str
    entry: Entry
    trials: Table


def plot(paths: Sequence[str | Path], out: Path | None = None, form: str = "svg") -> list[Path]:
    """Draw one result into its run's folder, or several over each other into ``out``; return the files.

    Every result needs its trials beside it. Raises NotAResult where they are absent, Mismatch for results that
    have no plot in common, WrongUse for several without ``out``, and NeedsInstall without matplotlib.
    """
    if form not in FORMATS:
        raise UnknownName.of("format", form, FORMATS, "facebench plot --help")
    found = [boards.entry(path) for path in paths]
    asked = f"{len(found)} results were to be drawn."
    if not 1 <= len(found) <= MOST_CELLS:
        raise WrongUse(asked, f"From 1 to {MOST} can be told apart, and {MOST_CELLS} stand in one table.")
    if out is None and (len(found) > 1 or found[0].path.name != "result.json"):
        raise WrongUse(asked, "Only one run has a folder of its own to draw into.", "Give --out DIR.")
    drawn = [Drawn(name, one, boards.own_trials(one)) for name, one in zip(_names(found), found, strict=True)]
    kinds = [kind for columns, kind in KINDS if all(columns <= one.trials.keys() for one in drawn)]
    if len(found) > MOST and wordings not in kinds:
        raise WrongUse(asked, f"From 1 to {MOST} can be told apart.")
    kinds = [kind for kind in kinds if kind is wordings or len(found) <= MOST]
    if not kinds:
        raise Mismatch(asked, "Their trials have no plot in common.", "Draw results of one task.")
    folder = found[0].path.parent if out is None else out
    written = []
    with _matplotlib():
        try:
            figures = [(name, figure) for kind in kinds for name, figure in kind(drawn)]
        except (LookupError, TypeError, ValueError, AttributeError) as error:  # a stranger's file may hold anything
            raise NotAResult(asked, f"Trials cannot be drawn: {type(error).__name__}: {error}.") from None
        for name, figure in figures:
            written.append(folder / f"{name}.{form}")
            write(written[-1], _bytes(figure, form))
    return written


def _names(found: Sequence[Entry]) -> Iterator[str]:
    """The methods' names, with the protocol where there are several, and a limit; fit for a file of any format."""
    several = len({entry.result.protocol for entry in found}) > 1
    for entry in found:
        name = entry.result.name + (f", {entry.result.protocol}" if several else "")
        limit = entry.result.provenance.limit
        name += "" if limit is None else f", {limit:,} trials"
        shown = "".join(c if c.isprintable() else "?" for c in name)
        shown = shown if len(shown) <= MOST_NAME else shown[: MOST_NAME - 1] + "…"
        yield f" {shown}" if shown[:1] in ("", "_") else shown  # matplotlib hides what begins with "_"


@contextmanager
def _matplotlib() -> Iterator[None]:
    """Our style and none of the user's, for as long as it lasts."""
    try:
        import matplotlib
    except ImportError:
        found, do = "matplotlib is not installed.", "pip install matplotlib -c constraints.txt"
        raise NeedsInstall("Results were to be drawn.", found, do) from None
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # a name in a script the font lacks
        matplotlib.rcdefaults()
        settings: Any = matplotlib.rcParams
        settings.update(STYLE)
        yield


def _bytes(figure: Any, form: str) -> bytes:
    """The picture as a file's bytes: the same ones for the same figure."""
    metadata = {"svg": {"Date": None, "Creator": "facebench"}, "png": {"Software": "facebench"}}[form]
    sink = io.BytesIO()
    figure.savefig(sink, format=form, dpi=150, metadata=metadata)
    return sink.getvalue()


def comparisons(drawn: Sequence[Drawn]) -> Iterator[tuple[str, Any]]:
    """DET, ROC and score histograms of trials that compare two images, or two templates."""
    alike = [_alike(one.trials) for one in drawn]
    lines = [[_det(part) for part in parts] for parts in alike]
    yield "det", _det_figure(drawn, lines, "FMR", "FNMR")
    yield "roc", _roc_figure(drawn, lines)
    yield "scores", _histograms(drawn, alike)


def _alike(trials: Table) -> list[Comparisons]:
    """The comparisons whose scores compare: all, or those of each fold by the model that was fitted for it."""
    import numpy as np

    if "model" not in trials:
        return [Comparisons(trials["score"], trials["mated"])]
    own = [(trials["model"] == fold) & (trials["fold"] == fold) for fold in np.unique(trials["fold"])]
    return [Comparisons(trials["score"][rows], trials["mated"][rows]) for rows in own]


def searches(drawn: Sequence[Drawn]) -> Iterator[tuple[str, Any]]:
    """CMC, and FNIR over FPIR where there are probes of nobody in the gallery, of identification trials."""
    import numpy as np

    yield "cmc", _cmc_figure(drawn)
    lines = []
    for one in drawn:
        mated = one.trials["mated"]
        if mated.all():
            return
        best = np.where(mated, one.trials["mated_score"], one.trials["best_non_mated"])
        lines.append([_det(Comparisons(best, mated))])
    yield "fnir", _det_figure(drawn, lines, "FPIR", "FNIR")


Kind = Callable[[Sequence[Drawn]], Iterator[tuple[str, Any]]]
KINDS: tuple[tuple[set[str], Kind], ...] = (
    ({"score", "mated"}, comparisons),
    ({"mated_score", "best_non_mated", "mated"}, searches),
    ({"truth", "answer"}, classes),
    ({"truth", "answer", "reading"}, wordings),
    ({"row", "video", "onset", "offset"}, timelines),
    ({"row", "video", "onset", "offset"}, spotted),
    ({"round", "role", "stage", "seconds"}, timings),
    ({"embedder", "kind", "budget", "told"}, attacks),
)


def _det(part: Comparisons) -> Line:
    import numpy as np

    x, y = np.array(biometric.det_points(part, POINTS)).T
    return Line(x, y, biometric.RULE_OF_THREE / part.sides[1].count)


def _figure(drawn: Sequence[Drawn]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(_title(drawn), loc="left", fontsize=10)
    return figure, axes


def _title(drawn: Sequence[Drawn]) -> str:
    """The protocol; nothing where there are several, as each then stands in its legend."""
    protocols = {one.entry.result.protocol for one in drawn}
    return protocols.pop() if len(protocols) == 1 else ""


def _curves(axes: Any, drawn: Sequence[Drawn], lines: Sequence[Sequence[Line]]) -> None:
    """Each result's lines in its colour, dotted where not resolved, and a legend."""
    from matplotlib.lines import Line2D

    handles, labels = [], []
    for colour, one, parts in zip(COLOURS, drawn, lines, strict=False):
        width = 1.6 if len(parts) == 1 else 0.7
        for line in parts:
            for (x, y), style in zip(_parted(line), ("dotted", "solid"), strict=True):
                axes.plot(x, y, color=colour, linewidth=width, linestyle=style, drawstyle="steps-post")
        handles.append(Line2D([], [], color=colour, linewidth=1.6))
        labels.append(one.name + (f" ({len(parts)} folds)" if len(parts) > 1 else ""))
    if any(line.resolved for parts in lines for line in parts):
        handles.append(Line2D([], [], color="0.4", linestyle="dotted"))
        labels.append(f"not resolved: fewer than {biometric.RULE_OF_THREE} events expected")
    axes.legend(handles, labels, loc="best", fontsize=9)


def _parted(line: Line) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """A line up to where it is resolved, and from there."""
    import numpy as np

    x, y, edge = line.x, line.y, line.resolved
    place = int(np.searchsorted(x, edge * (1 + 1e-5), side="right"))  # points have six digits
    if place == 0:
        return (x[:0], y[:0]), (x, y)
    level = y[place - 1]
    before = np.append(x[:place], edge), np.append(y[:place], level)
    return before, (np.append(edge, x[place:]), np.append(level, y[place:]))


def _det_figure(drawn: Sequence[Drawn], lines: Sequence[Sequence[Line]], x: str, y: str) -> Any:
    import numpy as np

    figure, axes = _figure(drawn)
    every, left = [line for parts in lines for line in parts], _lowest(lines)
    # A curve goes on down to zero, which a logarithmic axis has not: it leaves through the axis.
    lowest = min((float(line.y[line.y > 0].min()) for line in every if (line.y > 0).any()), default=1e-3)
    floor = 10 ** np.floor(np.log10(lowest))
    clipped = [[Line(np.maximum(n.x, left / 2), np.maximum(n.y, floor / 10), n.resolved) for n in p] for p in lines]
    _curves(axes, drawn, clipped)
    axes.set(xscale="log", yscale="log", xlim=(left, 1), ylim=(floor, 1.1), xlabel=x, ylabel=y)
    _rates(axes.xaxis, left)
    _rates(axes.yaxis, floor)
    return figure


def _roc_figure(drawn: Sequence[Drawn], lines: Sequence[Sequence[Line]]) -> Any:
    import numpy as np

    figure, axes = _figure(drawn)
    left = _lowest(lines)
    risen = [[Line(np.maximum(n.x, left / 2), 1 - n.y, n.resolved) for n in parts] for parts in lines]
    _curves(axes, drawn, risen)
    least = min(float(_parted(line)[1][1][0]) for parts in risen for line in parts)
    axes.set(xscale="log", xlim=(left, 1), ylim=_shares(least), xlabel="FMR", ylabel="TAR")
    _rates(axes.xaxis, left)
    return figure


def _lowest(lines: Sequence[Sequence[Line]]) -> float:
    """Where an axis of false matches begins: at one of the most that any curve rests on."""
    return min(0.5, *(line.resolved / biometric.RULE_OF_THREE for parts in lines for line in parts))


def _shares(least: float) -> tuple[float, float]:
    """The ends of an axis of shares on which the least of them is well to be seen, and 1 as well."""
    below = min(1.0, 1.3 * max(1 - least, 1e-3))
    return 1 - below, 1 + 0.02 * below


def _rates(axis: Any, lowest: float) -> None:
    """Ticks at powers of ten, written as everywhere here: 1e-3."""
    import math

    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    powers = range(math.ceil(math.log10(lowest) - 1e-9), 1)
    axis.set_major_locator(FixedLocator([10.0**power for power in powers]))
    axis.set_major_formatter(FuncFormatter(lambda rate, _: f"1e{round(math.log10(rate))}" if rate < 1 else "1"))
    axis.set_minor_formatter(NullFormatter())


def _cmc_figure(drawn: Sequence[Drawn]) -> Any:
    import numpy as np

    figure, axes = _figure(drawn)
    lines = []
    for one in drawn:
        (curve,) = (curve for curve in one.entry.result.curves if curve.x == "rank")
        lines.append([Line(*np.array(curve.points).T)])
    _curves(axes, drawn, lines)
    least = min(float(line.y.min()) for (line,) in lines)
    axes.set(xlim=(0.5, None), ylim=_shares(least), xlabel="rank", ylabel="share of mated probes found")
    return figure


def _histograms(drawn: Sequence[Drawn], alike: Sequence[Sequence[Comparisons]]) -> Any:
    """A panel a result, as scores of two methods do not compare."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 0.6 + 2.8 * len(drawn)), layout="constrained")
    panels = figure.subplots(len(drawn), squeeze=False)[:, 0]
    for axes, one, parts in zip(panels, drawn, alike, strict=True):
        notes = _histogram(axes, parts)
        head = ", ".join(filter(None, (one.name, _title(drawn))))
        axes.set_title("\n".join([head, *notes]), loc="left", fontsize=10)
        axes.set_ylabel("share of its kind")
        axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    panels[-1].set_xlabel("score")
    return figure


def _histogram(axes: Any, parts: Sequence[Comparisons]) -> list[str]:
    """Draw the scores of both kinds, and the thresholds where they are one model's; return what is to be known."""
    import numpy as np

    score, mated = (np.concatenate([getattr(part, name) for part in parts]) for name in ("score", "mated"))
    finite = np.isfinite(score)
    low, high = (float(end(score[finite])) for end in (np.min, np.max)) if finite.any() else (0.0, 0.0)
    edges = np.linspace(low, high, BINS + 1) if high > low else np.linspace(low - 0.5, low + 0.5, BINS)
    for kind, colour, label in ((~mated, NON_MATED, "non-mated"), (mated, MATED, "mated")):
        share = np.histogram(score[kind & finite], edges)[0] / kind.sum()
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.45, label=f"{label} ({kind.sum():,})")
    for rate, style in zip(MARKED, ("dashed", "dotted"), strict=True):
        non_mated = parts[0].sides[1]
        if len(parts) == 1 and not biometric.resolved(non_mated.count, rate)[1]:
            threshold = non_mated.weight(None).threshold(Fraction(rate))
            if np.isfinite(threshold):
                axes.axvline(threshold, color="0.2", linewidth=1, linestyle=style, label=f"threshold of FMR {rate}")
    notes = [f"scores of {len(parts)} models, {FITTED}"] if len(parts) > 1 else []
    return notes + ([f"{(~finite).sum():,} failed comparisons are not shown"] if not finite.all() else [])
