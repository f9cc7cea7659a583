"""Onset, apex and offset as owners' tables tell them: what can be used, and what is wrong in which row.

A row without an offset (empty, or 0) ends at its apex, as is done in the field. An apex outside of its interval is
nobody's apex. A row that ends before it begins, or has no onset, is left out. Each is reported by row
and file, and so is a micro-expression that lasts far too long.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import DataDamaged, DataMissing
from bench.intervals import MOST_FRAME, NO_APEX, Interval
from bench.protocol import Data
from bench.sheets import Row, below_header, read

SHARED = Path("micro_expression") / "annotations"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._()-]*", re.ASCII)
LONGEST = 400  # frames of a micro-expression, which are two seconds at 200 a second
NEGATIVE, POSITIVE, SURPRISE, OTHERS = "negative", "positive", "surprise", "others"
THREE = (NEGATIVE, POSITIVE, SURPRISE)
# The three classes of MEGC 2019 and of the spot-then-recognise tasks; what is not here is "others".
TO_THREE = {
    **dict.fromkeys(("anger", "contempt", "disgust", "fear", "sad", "sadness"), NEGATIVE),
    **dict.fromkeys(("happiness", "happy"), POSITIVE),
    "surprise": SURPRISE,
}


@dataclass(frozen=True, slots=True)
class Annotation:
    """One row of a table: frames numbered as the owner does, ``apex`` -1 where nobody told it.

    ``emotion`` in small letters; ``usable``: false where the frames cannot be those of an expression.
    """

    row: int
    subject: str
    video: str
    onset: int
    apex: int
    offset: int
    emotion: str
    type: str
    usable: bool = True

    def interval(self, first: int, step: int, emotion: str) -> Interval:
        """It among the frames of a clip that begins with number ``first`` and has every ``step``-th."""
        onset, apex, offset = (max(frame - first, 0) // step for frame in (self.onset, self.apex, self.offset))
        return Interval(onset, NO_APEX if self.apex < 0 else apex, offset, emotion, self.type)


@dataclass(frozen=True, slots=True)
class Annotations:
    """The rows of one table, and its faults: what is wrong, to the numbers of the rows, from 1."""

    path: Path
    rows: tuple[Annotation, ...]
    faults: Mapping[str, tuple[int, ...]]

    def report(self) -> str:
        """The faults in words, by row and file; "" where there is none."""
        told = [f"{fault}: row {', '.join(map(str, rows))}" for fault, rows in self.faults.items()]
        return f"{self.path.name}: {'; '.join(told)}" if told else ""

    def warned(self) -> Annotations:
        """Itself, after a warning that names its faults."""
        if self.faults:
            warnings.warn(self.report(), stacklevel=2)
        return self


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a table are called, each with the names that it may have; ``type`` may be a fixed word."""

    subject: Sequence[str]
    video: Sequence[str]
    onset: Sequence[str]
    apex: Sequence[str]
    offset: Sequence[str]
    emotion: Sequence[str]
    type: Sequence[str] | str = ""

    def below(self, path: Path, rows: Sequence[Row]) -> Iterable[tuple[int, Row]]:
        """The table's filled rows as (subject, video, onset, apex, offset, emotion, type), numbered from 1."""
        wanted = [self.subject, self.video, self.onset, self.apex, self.offset, self.emotion]
        if isinstance(self.type, str):
            fixed = self.type
            return ((number, (*row, fixed)) for number, row in below_header(path, rows, wanted))
        return below_header(path, rows, [*wanted, self.type])


def find(root: Path, data: Data, names: Sequence[str]) -> Path:
    """A data set's table, in its own folder or among shared annotations; raises DataMissing, naming every place."""
    places = [Path(root) / folder / name for folder in (data.folder, SHARED) for name in names]
    for place in places:
        if place.is_file():
            return place
    found = f"None of these exists: {', '.join(map(str, places))}."
    raise DataMissing(f"The annotations of {data.name} were asked for.", found, f"Get them from {data.source}.")


def table(path: Path, columns: Columns, sheet: int = 0) -> Annotations:
    """The annotations of a table with a header; raises as bench.sheets.read does."""
    return parsed(path, columns.below(path, read(path, sheet)))


def parsed(path: Path, rows: Iterable[tuple[int, Row]]) -> Annotations:
    """Rows (subject, video, onset, apex, offset, emotion, type), numbered as in the file, and what is wrong in them.

    Raises DataDamaged for a subject or video whose name could lead out of the data set's folder.
    """
    kept, faults = [], dict[str, list[int]]()
    for number, cells in rows:
        subject, video = (name(path, number, cell) for cell in cells[:2])
        emotion, type = map(word, cells[5:7])
        onset, apex, offset = (frame(cell) for cell in cells[2:5])
        fault, usable = "", True
        if offset is None or (offset == 0 and onset):
            fault, offset = "no offset, it ends at its apex", apex
        if onset is None or offset is None or offset < onset:
            fault, usable = "no onset, or an end before it; left out", False
            onset, offset = onset or 0, onset or 0
        elif apex is not None and apex > 0 and not onset <= apex <= offset:
            fault, apex = "apex outside of the interval, not used", None
        elif kind(type) == "micro" and offset - onset >= LONGEST:
            fault = f"a micro-expression of over {LONGEST} frames, kept"
        if fault:
            faults.setdefault(fault, []).append(number)
        apex = apex if usable and apex is not None and onset <= apex <= offset else NO_APEX
        kept.append(Annotation(number, subject, video, onset, apex, offset, emotion.lower(), kind(type), usable))
    return Annotations(path, tuple(kept), {fault: tuple(numbers) for fault, numbers in faults.items()})


def frame(cell: Any) -> int | None:
    """A frame's number, a fraction cut off; None for what is no number from 0."""
    try:
        number = float(str(cell).strip())
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and 0 <= number <= MOST_FRAME else None


def word(cell: Any) -> str:
    """A cell as a word; a whole number without its fraction."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip()


def name(path: Path, row: int, cell: Any) -> str:
    """A cell as a name of a file or folder; raises DataDamaged for what is none, or could lead elsewhere."""
    text = word(cell)
    if not NAME.fullmatch(text) or ".." in text:
        do = "A name has letters, digits, blanks and '_', '-', '.', '(', ')', and begins with a letter or digit."
        raise DataDamaged(f"{path} was read.", f"Row {row} has a name that is none: {text[:80]!r}.", do)
    return text


def kind(text: str) -> str:
    """``micro`` or ``macro``, as a word begins with; else nothing."""
    return next((type for type in ("micro", "macro") if text.lower().startswith(type)), "")
