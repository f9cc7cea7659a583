"""Plots of intervals in videos: what is true above, what was found below, a video a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bench.metrics.matching import best_pairs, overlaps
from bench.metrics.spotting import FITS

if TYPE_CHECKING:
    from bench.plots import Drawn

ROWS, MOST_PAGES = 12, 50  # videos a page, and pages: who wants the six hundredth plots a part
TRUE, HIT, FALSE = "#999999", "#009e73", "#d55e00"


def timelines(drawn: Sequence[Drawn]) -> Iterator[tuple[str, Any]]:
    """Pages of videos with any interval; a lane a result, what was rightly found in another colour.

    Raises ValueError where the results are of different videos.
    """
    if len({one.entry.result.digest for one in drawn}) > 1:
        raise ValueError("they are of different videos")
    sides = [_spans(one.trials) for one in drawn]
    videos = sorted({video for side in sides for row, video, _ in side if row in ("truth", "answer")})
    pages = [videos[i : i + ROWS] for i in range(0, len(videos), ROWS)][:MOST_PAGES]
    for number, page in enumerate(pages, 1):
        yield f"timeline-{number:02d}", _page(drawn, sides, page)


Spans = dict[tuple[str, int, str], list[tuple[int, int]]]  # by what they are, their video and their type


def _spans(trials: dict[str, Any]) -> Spans:
    found: Spans = {}
    columns = (trials[name] for name in ("row", "video", "type", "onset", "offset"))
    for row, video, type, onset, offset in zip(*columns, strict=True):
        if row in ("truth", "answer"):
            found.setdefault((row, int(video), type), []).append((int(onset), int(offset)))
    return found


def _page(drawn: Sequence[Drawn], sides: Sequence[Spans], page: Sequence[int]) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    lanes = len(drawn) + 1
    figure = Figure(figsize=(9.6, 1.2 + 0.18 * (lanes + 1) * len(page)), layout="constrained")
    axes = figure.add_subplot()
    ticks = []
    for place, video in enumerate(page):
        top = -place * (lanes + 1)
        true = [span for (row, one, _), spans in sides[0].items() if (row, one) == ("truth", video) for span in spans]
        _bars(axes, true, top, TRUE)
        for lane, side in enumerate(sides, 1):
            hits, misses = _parted(side, video)
            _bars(axes, hits, top - lane, HIT)
            _bars(axes, misses, top - lane, FALSE)
        ticks.append((top - lanes / 2 + 0.5, f"video {video}"))
    axes.set_yticks(*zip(*ticks, strict=True))
    axes.set(xlabel="frame", ylim=(-len(page) * (lanes + 1) + 0.5, 1))
    axes.grid(axis="y", visible=False)
    kinds = [
        Patch(color=TRUE, label="true"),
        Patch(color=HIT, label="found rightly"),
        Patch(color=FALSE, label="found wrongly"),
    ]
    figure.legend(handles=kinds, loc="outside lower center", ncols=3, fontsize=9)
    names = ", ".join(one.name for one in drawn)
    axes.set_title(f"{drawn[0].entry.result.protocol}; below the truth: {names}", loc="left", fontsize=10)
    return figure


def _bars(axes: Any, spans: Sequence[tuple[int, int]], height: float, colour: str) -> None:
    axes.broken_barh([(on, off - on + 1) for on, off in spans], (height - 0.4, 0.8), color=colour)


def _parted(side: Spans, video: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """What was found in a video, rightly (paired one to one, as strict counting does) and wrongly."""
    hits: list[tuple[int, int]] = []
    misses: list[tuple[int, int]] = []
    for type in sorted({type for _, one, type in side if one == video}):
        found, true = (side.get((row, video, type), []) for row in ("answer", "truth"))
        value = overlaps(found, true)
        value[value < FITS] = 0
        paired = {row for row, _ in best_pairs(value)}
        for row, span in enumerate(found):
            (hits if row in paired else misses).append(span)
    return hits, misses
