"""Plots of intervals in videos: true ones above, found ones and the curve they were cut from below, a video a row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.answers import read_table
from bench.intervals import TYPES, read_curves
from bench.metrics.matching import best_pairs, overlaps
from bench.metrics.spotting import FITS

if TYPE_CHECKING:
    from bench.plots import Drawn

ROWS, MOST_PAGES = 12, 50  # videos a page, and pages: who wants the six hundredth plots a part
TRUE, HIT, FALSE = "#999999", "#009e73", "#d55e00"
LINES = {"": "#0072b2", "micro": "#0072b2", "macro": "#cc79a7"}  # by the type of what a curve is of
LINE, CURVE_LANES = 0.8, 2
BAR = {"": (-0.4, 0.8), "micro": (0.02, 0.38), "macro": (-0.4, 0.38)}  # where in a lane, and how high


def timelines(drawn: Sequence[Drawn]) -> Iterator[tuple[str, Any]]:
    """Pages of videos with any interval or curve; a lane a result, what was rightly found in another colour.

    Below it the curves that the method went by, each from its lowest to its highest value, where the result lies in the
    folder of its run; answers are on no board. Raises ValueError where the results are of different videos.
    """
    if len({one.entry.result.digest for one in drawn}) > 1:
        raise ValueError("they are of different videos")
    sides = [Side(_spans(one.trials), _curves(one.entry.path)) for one in drawn]
    videos = {video for side in sides for row, video, _ in side.spans if row in ("truth", "answer")}
    order = sorted(videos.union(*(side.curves for side in sides)))
    pages = [order[i : i + ROWS] for i in range(0, len(order), ROWS)][:MOST_PAGES]
    for number, page in enumerate(pages, 1):
        yield f"timeline-{number:02d}", _page(drawn, sides, page)


Spans = dict[tuple[str, int, str], list[tuple[int, int]]]  # by what they are, their video and their type
Curves = dict[int, dict[str, list[float]]]  # by their video, and then their type


@dataclass(frozen=True, slots=True)
class Side:
    """What is drawn of one result."""

    spans: Spans
    curves: Curves

    @property
    def lanes(self) -> int:
        """How many it takes in the row of a video."""
        return 1 + CURVE_LANES * bool(self.curves)


def _spans(trials: dict[str, Any]) -> Spans:
    found: Spans = {}
    columns = (trials[name] for name in ("row", "video", "type", "onset", "offset"))
    for row, video, type, onset, offset in zip(*columns, strict=True):
        if row in ("truth", "answer"):
            found.setdefault((row, int(video), type), []).append((int(onset), int(offset)))
    return found


def _curves(result: Path) -> Curves:
    """The curves among the answers of a run, whose videos are numbered in the order of their keys."""
    tables = [read_table(part) for part in sorted(result.parent.glob("*/part-*.parquet"))]
    given = {
        key: line for one in tables if "curves" in one for key, line in zip(one["key"], one["curves"], strict=True)
    }
    return {video: read_curves(given[key]) for video, key in enumerate(sorted(given)) if given[key]}


def _page(drawn: Sequence[Drawn], sides: Sequence[Side], page: Sequence[int]) -> Any:
    from matplotlib.figure import Figure

    lanes = 1 + sum(side.lanes for side in sides)
    figure = Figure(figsize=(9.6, 1.2 + 0.18 * (lanes + 1) * len(page)), layout="constrained")
    axes = figure.add_subplot()
    ticks = []
    for place, video in enumerate(page):
        top = -place * (lanes + 1)
        for (row, one, type), spans in sides[0].spans.items():
            if (row, one) == ("truth", video):
                _bars(axes, spans, top, type, TRUE)
        lane = top - 1
        for side in sides:
            for type in sorted({type for _, one, type in side.spans if one == video}):
                hits, misses = _parted(side.spans, video, type)
                _bars(axes, hits, lane, type, HIT)
                _bars(axes, misses, lane, type, FALSE)
            for type, curve in side.curves.get(video, {}).items():
                _line(axes, curve, lane - 0.5, LINES.get(type, LINES[""]))
            lane -= side.lanes
        ticks.append((top - lanes / 2 + 0.5, f"video {video}"))
    axes.set_yticks(*zip(*ticks, strict=True))
    axes.set(xlabel="frame", ylim=(-len(page) * (lanes + 1) + 0.5, 1))
    axes.grid(axis="y", visible=False)
    shown = {type for side in sides for video in page for type in side.curves.get(video, {})}
    figure.legend(handles=_legend(shown), loc="outside lower center", ncols=5, fontsize=9)
    names = ", ".join(one.name for one in drawn)
    parts = ", micro above macro" * any(type in TYPES for side in sides for _, _, type in side.spans)
    axes.set_title(f"{drawn[0].entry.result.protocol}{parts}; below the truth: {names}", loc="left", fontsize=10)
    return figure


def _legend(curves: Collection[str]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    kinds = (("true", TRUE), ("found rightly", HIT), ("found wrongly", FALSE))
    drawn: list[Any] = [Patch(color=colour, label=label) for label, colour in kinds]
    told = [(f"its curve{type and f', {type}'}", LINES[type]) for type in LINES if type in curves]
    return drawn + [Line2D([], [], color=colour, linewidth=LINE, label=label) for label, colour in told]


def _line(axes: Any, curve: Sequence[float], top: float, colour: str) -> None:
    """A curve in the lanes below ``top``, from its lowest value to its highest."""
    import numpy as np

    values = np.array(curve)
    there = values[np.isfinite(values)]
    if len(there):
        low, high = float(there.min()), float(there.max())
        share = (values - low) / (high - low) if high > low else values - low
        axes.plot(top - CURVE_LANES + 0.1 + share * (CURVE_LANES - 0.2), color=colour, linewidth=LINE)


def _bars(axes: Any, spans: Sequence[tuple[int, int]], lane: float, type: str, colour: str) -> None:
    low, height = BAR.get(type, BAR[""])
    axes.broken_barh([(on, off - on + 1) for on, off in spans], (lane + low, height), color=colour)


def _parted(side: Spans, video: int, type: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """What of a type was found in a video, rightly (paired one to one, as strict counting does) and wrongly."""
    found, true = (side.get((row, video, type), []) for row in ("answer", "truth"))
    value = overlaps(found, true)
    value[value < FITS] = 0
    paired = {row for row, _ in best_pairs(value)}
    hits = [span for row, span in enumerate(found) if row in paired]
    return hits, [span for row, span in enumerate(found) if row not in paired]
