"""The lists of IJB-B and IJB-C as InsightFace's scripts read them: images, templates, pairs, people.

``PREFIX_face_tid_mid.txt``: image, template, media; ``PREFIX_name_5pts_score.txt``: image, five landmarks as x y, the
detector's score, the same images in the same order; ``PREFIX_template_pair_label.txt``: template, template, 1 where
mated, else 0; one space between. ``PREFIX_1N_*.csv``: a header, then a row an image that begins with template and
person (TEMPLATE_ID, SUBJECT_ID). Read as columns, so that 15.7 million pairs are three arrays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DataDamaged, DataMissing
from bench.protocol import Data

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BYTES = 4 << 30
LANDMARKS = 10
_IMAGE = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,100}\.(?:jpg|jpeg|png)"
MOST_ID = 10**9 - 1
_ID, _REAL = r"0*[0-9]{1,9}", r"-?[0-9]{1,6}(?:\.[0-9]{1,20})?(?:[eE][-+]?[0-9]{1,2})?"
_NUMBERED = {f"p{i}": "float32" for i in range(LANDMARKS)}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a row looks: its columns in order with their types, between ``separator``, and all of it as a pattern."""

    columns: Mapping[str, str]
    row: re.Pattern[str]
    says: str
    separator: str = " "
    header: bool = False


PAIRS = Layout(
    {"reference": "int32", "probe": "int32", "mated": "int8"},
    re.compile(rf"{_ID} {_ID} 0*[01]", re.ASCII),
    "template, template, 0 or 1",
)
MEDIA = Layout(
    {"image": "string", "template": "int32", "media": "int32"},
    re.compile(rf"{_IMAGE} {_ID} {_ID}", re.ASCII),
    "image.jpg, template, media",
)
DETECTED = Layout(
    {"image": "string", **_NUMBERED, "score": "float32"},
    re.compile(rf"{_IMAGE}(?: {_REAL}){{{LANDMARKS}}} (?!-){_REAL}", re.ASCII),
    f"image.jpg, {LANDMARKS} numbers, a score of 0 or more",
)
PEOPLE = Layout(
    {"template": "int32", "subject": "int32"},
    re.compile(rf"{_ID},{_ID}(?:,.*)?", re.ASCII),
    "template, person, and what else there may be",
    separator=",",
    header=True,
)


def read(path: Path, layout: Layout, data: Data) -> dict[str, Any]:
    """The columns of a list, numpy arrays (lists of str where they are names), in the order of its rows.

    Raises DataMissing where there is no such file, and DataDamaged naming the first line that is no row.
    """
    import pyarrow as pa
    from pyarrow import csv

    try:
        if path.stat().st_size > MOST_BYTES:
            raise damaged(path, f"It is over {MOST_BYTES >> 30} GiB.", data)
        names = list(layout.columns)
        with open(path, encoding="utf-8", errors="replace") as file:
            more = next(file, "").count(layout.separator) + 1 - len(names) if layout.header else 0
        names += [f"other {i}" for i in range(more)]
        table = csv.read_csv(
            path,
            csv.ReadOptions(column_names=names, skip_rows=int(layout.header)),
            csv.ParseOptions(delimiter=layout.separator, quote_char=False),
            csv.ConvertOptions(
                column_types={name: pa.type_for_alias(kind) for name, kind in layout.columns.items()},
                include_columns=list(layout.columns),
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except FileNotFoundError:
        asked = f"The lists of {data.name} were asked for."
        raise DataMissing(asked, f"{path} does not exist.", f"Get it from {data.source}.") from None
    except pa.ArrowException as error:
        raise damaged(path, _strange(path, layout) or f"It cannot be read: {str(error)[:200]}.", data) from None
    except OSError as error:
        raise damaged(path, f"It cannot be read: {error.strerror or error}.", data) from None
    if not table.num_rows or not _plain(table):
        raise damaged(path, _strange(path, layout) or "It has no rows.", data)
    return {name: _column(table.column(name)) for name in layout.columns}


def _column(column: Any) -> Any:
    import pyarrow as pa

    return column.to_pylist() if pa.types.is_string(column.type) else column.to_numpy()


def _plain(table: Any) -> bool:
    """Whether columns that could be read hold nothing that a row's pattern does not allow."""
    import pyarrow as pa
    from pyarrow import compute

    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_string(column.type):
            fits = compute.match_substring_regex(column, f"^{_IMAGE}$")
        elif pa.types.is_floating(column.type):
            fits = compute.is_finite(column)
        else:
            fits = compute.and_(compute.greater_equal(column, 0), compute.less_equal(column, MOST_ID))
        if name == "score":
            fits = compute.and_(fits, compute.greater_equal(column, 0))
        if name == "mated":
            fits = compute.and_(fits, compute.less_equal(column, 1))
        if not compute.all(fits).as_py():
            return False
    return True


def _strange(path: Path, layout: Layout) -> str:
    """What is wrong with the first line that is no row; "" where every line is one."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            text = line.rstrip("\r\n")
            if text and not (layout.header and number == 1) and not layout.row.fullmatch(text):
                return f"Line {number} is no row ({layout.says}): {text[:80]!r}."
    return ""


def at_line(path: Path, row: int, found: str, data: Data, header: bool = False) -> DataDamaged:
    """The refusal of a row, counted from 0, by the number of its line."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = (number for number, line in enumerate(file, 1) if line.strip("\r\n") and not (header and number == 1))
        return damaged(path, f"Line {next(islice(lines, row, None), 0)}: {found}", data)


def damaged(path: Path, found: str, data: Data) -> DataDamaged:
    """The refusal of a list, for reasons ``found``."""
    return DataDamaged(f"{path} was read.", found, f"Get it from {data.source}.")


def first(rows: NDArray[Any]) -> int | None:
    """The first row that is marked, None where none is."""
    import numpy as np

    return int(np.argmax(rows)) if rows.any() else None
