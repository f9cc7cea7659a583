"""Intervals in clips, as every task with a Spotter asks for them, checks them and takes a stranger's.

An answer is kept as one line of JSON, its intervals in the order of their frames, so that the order in which a method
names them plays no part where a metric goes by order. The curves that a method went by, if it tells them, stand beside
it; they are drawn, and no score rests on them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from bench.answers import Table
from bench.batches import Batches
from bench.errors import ContractBroken, WrongUse

MOST, MOST_FRAME, MOST_WORD = 1000, 2**31 - 1, 64  # intervals a clip; a frame's number; letters of an emotion
NO_APEX = -1
TYPES = ("micro", "macro")
MOST_POINTS, DIGITS = 1_000_000, 5  # of a curve
SHAPE = "Return a list of [onset, apex, offset, emotion], frames from 0 with onset <= apex <= offset, or None."
CURVED = 'Return {"intervals": [...], "curves": {"micro": float32 [frames], "macro": ...}}, or the list alone.'


class Interval(NamedTuple):
    """One expression in a clip: frames from 0, the offset the last one; apex -1 where nobody told it.

    In a stranger's table frames may count from anywhere, and what was found may begin before the first.
    ``emotion``: a word, or ""; ``type``: "micro", "macro", or "" where it was not told.
    """

    onset: int
    apex: int
    offset: int
    emotion: str
    type: str = ""


def _check(value: Any, count: int) -> Table:
    import numpy as np

    asked, curves = "spot() was called with a clip.", ""
    if isinstance(value, dict):
        if not set(value) <= {"intervals", "curves"} or not isinstance(value.get("intervals"), list):
            raise ContractBroken(asked, f"It returned a dict of {', '.join(map(_short, value)) or 'nothing'}.", CURVED)
        curves = _curves(value.get("curves", {}), asked)
        value = value["intervals"]
    if value is not None and not isinstance(value, list):
        raise ContractBroken(asked, f"It returned a {type(value).__name__}.", SHAPE)
    if value is not None and len(value) > MOST:
        raise ContractBroken(asked, f"It returned {len(value):,} intervals.", f"Return at most {MOST:,}.")
    line = "" if value is None else in_order(sorted(_interval(item, asked) for item in value))
    return {"intervals": np.array([line], object), "curves": np.array([curves], object)}


def _curves(value: Any, asked: str) -> str:
    """Curves as one line of JSON, to five digits, null where there is no number; "" for none."""
    import numpy as np

    if not isinstance(value, dict) or not set(value) <= {"", *TYPES}:
        raise ContractBroken(asked, f"Its curves are {_short(value)}.", CURVED)
    told = {}
    for name, curve in value.items():
        if not isinstance(curve, np.ndarray) or curve.dtype.kind != "f" or curve.ndim != 1 or len(curve) > MOST_POINTS:
            raise ContractBroken(asked, f"Its curve {name!r} is {_short(curve)}.", CURVED)
        told[name] = [float(f"{point:.{DIGITS}g}") if math.isfinite(point) else None for point in curve.tolist()]
    return json.dumps(told, separators=(",", ":")) if told else ""


def _interval(item: Any, asked: str) -> Interval:
    if not isinstance(item, list) or len(item) not in (4, 5):
        raise ContractBroken(asked, f"One of its intervals is {_short(item)}.", SHAPE)
    frames, words = item[:3], item[3:]
    if not all(type(frame) is int and 0 <= frame <= MOST_FRAME for frame in frames):
        raise ContractBroken(asked, f"The frames of {_short(item)} are no whole numbers from 0.", SHAPE)
    if not all(isinstance(word, str) and len(word) <= MOST_WORD for word in words):
        raise ContractBroken(asked, f"The emotion of {_short(item)} is no short word.", SHAPE)
    if not frames[0] <= frames[1] <= frames[2]:
        raise ContractBroken(asked, f"{_short(item)} is not in the order onset, apex, offset.", SHAPE)
    if words[1:] and words[1] not in TYPES:
        do = 'Say "micro" or "macro", or leave the fifth item out.'
        raise ContractBroken(asked, f"{_short(item)} is of another type.", do)
    return Interval(*frames, *words)


def _short(item: Any) -> str:
    return repr(item)[:80]


def in_order(intervals: Iterable[Interval]) -> str:
    """Intervals as one line, in the order given."""
    return json.dumps(list(intervals))


def read_line(line: str) -> list[Interval]:
    """The intervals of a line that ``in_order`` made; none of an empty one."""
    return [Interval(*item) for item in json.loads(line or "[]")]


def read_curves(line: str) -> dict[str, list[float]]:
    """The curves of a line that an answer has, NaN where there is no number; none of an empty one."""
    told = json.loads(line or "{}")
    return {name: [math.nan if point is None else float(point) for point in curve] for name, curve in told.items()}


def _missing(columns: Table) -> list[str]:
    return ["" if line else "no intervals" for line in columns["intervals"].tolist()]


def _empty(like: Table, count: int) -> Table:
    import numpy as np

    return {name: np.array([""] * count, object) for name in ("intervals", "curves")}


def _same(one: Table, other: Table) -> bool:
    return bool((one["intervals"] == other["intervals"]).all())


SPOT = Batches("spot", _check, _missing, _empty, _same, single=True, shaped=True)


def interval_rows(table: Table) -> Iterator[tuple[str, Interval]]:
    """The rows of a table of intervals, each with the name of its video, ``subject/video``.

    ``table`` has ``subject``, ``video``, ``onset``, ``offset`` and ``emotion``, and may have ``apex`` and ``type``.
    Raises WrongUse, naming the row, for what is no interval.
    """
    wanted = ("subject", "video", "onset", "offset", "emotion")
    asked = "A table of intervals was read."
    if absent := [name for name in wanted if name not in table]:
        raise WrongUse(asked, f"It has no column {absent[0]!r}.", f"Give the columns {', '.join(wanted)}.")
    blank = [""] * len(table["subject"])
    columns = [[_text(cell) for cell in table.get(name, blank)] for name in (*wanted, "apex", "type")]
    for row, (subject, video, onset, offset, emotion, apex, kind) in enumerate(zip(*columns, strict=True), 1):
        try:
            frames = [int(float(cell)) for cell in (onset, apex or NO_APEX, offset)]
        except (ValueError, OverflowError):
            raise WrongUse(asked, f"Row {row} after the header has frames that are no numbers.") from None
        fits = -MOST_FRAME <= frames[0] <= frames[2] <= MOST_FRAME
        fits = fits and (frames[1] == NO_APEX or frames[0] <= frames[1] <= frames[2])
        named = subject and video and "/" not in subject
        if not fits or not named or kind not in ("", *TYPES) or len(emotion) > MOST_WORD:
            found = f"Row {row} after the header is no interval: {subject}/{video} {onset} to {offset} {kind}"[:160]
            raise WrongUse(asked, f"{found}.", 'onset <= apex <= offset, the apex empty or -1; no "/" in a subject.')
        yield f"{subject}/{video}", Interval(frames[0], frames[1], frames[2], emotion, kind)


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell.item() if hasattr(cell, "item") else cell)
