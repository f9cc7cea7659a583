"""Tables as owners of data sets hand them out: xlsx, xls and csv as rows of cells, within bounds."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.errors import DataDamaged, NeedsInstall

MOST_BYTES, MOST_ROWS, MOST_COLUMNS = 64 << 20, 200_000, 64
UNPACKED = 16 << 20  # bytes that a workbook may unpack to; those of annotations take under one MiB
STYLES, MOST_STYLES = "xl/styles.xml", 1 << 20  # of which a mebibyte takes seconds to read
HEAD = 40  # rows among which a header is looked for

Row = tuple[Any, ...]


def read(path: Path, sheet: int = 0) -> list[Row]:
    """The rows of a table's sheet, the first of the file being the first; cells are text, numbers or None.

    Formulas count as the value that was stored with them. Raises DataDamaged for what is no such table or over bounds,
    NeedsInstall where what reads it is not installed, and OSError where it is not there.
    """
    asked = f"{path} was read."
    if path.stat().st_size > MOST_BYTES:
        raise DataDamaged(asked, f"It is over {MOST_BYTES >> 20} MiB; no table of annotations is that large.")
    readers = {".xlsx": _xlsx, ".xls": _xls, ".csv": _csv}
    if path.suffix.lower() not in readers:
        raise DataDamaged(asked, "It is no table.", f"Give one of {', '.join(readers)}.")
    try:
        rows = readers[path.suffix.lower()](path, sheet)
    except ModuleNotFoundError as error:
        do = "pip install 'facebench[tables]' -c constraints.txt"
        raise NeedsInstall(asked, f"{error.name} is not installed.", do) from None
    except (NeedsInstall, DataDamaged, OSError):
        raise
    except Exception as error:
        # The readers raise many types for bytes that are no table; each means the same here.
        raise DataDamaged(asked, f"It cannot be read as a table: {str(error)[:160]}.") from None
    if len(rows) > MOST_ROWS:
        raise DataDamaged(asked, f"It has over {MOST_ROWS:,} rows.")
    return rows


def _xlsx(path: Path, sheet: int) -> list[Row]:
    import warnings

    import openpyxl

    with zipfile.ZipFile(path) as packed:
        sizes = [(one.filename, one.file_size) for one in packed.infolist()]
    for what, most in (("it", UNPACKED), (STYLES, MOST_STYLES)):
        if sum(size for name, size in sizes if what in ("it", name)) > most:
            raise DataDamaged(f"{path} was read.", f"Unpacked {what} is over {most >> 20} MiB.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions that no cell's value depends on
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            rows = book.worksheets[sheet].iter_rows(max_row=MOST_ROWS + 1, max_col=MOST_COLUMNS, values_only=True)
            return [_trimmed(row) for row in rows]
        finally:
            book.close()


def _trimmed(row: Row) -> Row:
    filled = max((i for i, cell in enumerate(row, 1) if cell is not None), default=0)
    return tuple(row[:filled])


def _xls(path: Path, sheet: int) -> list[Row]:
    import xlrd

    with xlrd.open_workbook(path, on_demand=True) as book:
        page = book.sheet_by_index(sheet)
        return [tuple(page.row_values(i)[:MOST_COLUMNS]) for i in range(min(page.nrows, MOST_ROWS + 1))]


def _csv(path: Path, sheet: int) -> list[Row]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        return [tuple(cells[:MOST_COLUMNS]) for _, cells in zip(range(MOST_ROWS + 1), csv.reader(file), strict=False)]


def below_header(path: Path, rows: Sequence[Row], wanted: Sequence[Sequence[str]]) -> Iterator[tuple[int, Row]]:
    """The filled rows below a table's header, each with its number in the file from 1, its cells as ``wanted``.

    ``wanted``: for each cell the names that its column may have, compared without case and blanks. Raises DataDamaged
    where none of the first rows is such a header.
    """
    for number, head in enumerate(rows[:HEAD], 1):
        names = [_plain(cell) for cell in head]
        found = [next((names.index(_plain(n)) for n in spelt if _plain(n) in names), -1) for spelt in wanted]
        if min(found, default=-1) >= 0:
            for place, row in enumerate(rows[number:], number + 1):
                if any(cell not in (None, "") for cell in row):
                    yield place, tuple(row[column] if column < len(row) else None for column in found)
            return
    columns = ", ".join(spelt[0] for spelt in wanted)
    raise DataDamaged(f"{path} was read.", f"No row is its header, with the columns {columns}.")


def _plain(cell: Any) -> str:
    return "".join(str(cell or "").lower().split())
