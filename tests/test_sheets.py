"""Tables are read the same from each format, and what is none, or over bounds, is refused."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook

from bench import sheets
from bench.errors import DataDamaged, NeedsInstall

ROWS = [["a table"], ["Subject", "Onset Frame", "Notes"], ["s1", 3, None], [None, None, None], ["s2", 4.5, "x"]]


def workbook(path: Path) -> Path:
    book = Workbook()
    for row in ROWS:
        book.active.append(row)
    book.create_sheet().append(["another"])
    book.save(path)
    return path


def test_a_workbook_is_read_by_sheet_and_below_its_header(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx")
    rows = sheets.read(path)
    assert rows[2:4] == [("s1", 3), ()]
    assert sheets.read(path, 1) == [("another",)]
    wanted = [["onset", "onsetframe"], ["subject"]]
    assert list(sheets.below_header(path, rows, wanted)) == [(3, (3, "s1")), (5, (4.5, "s2"))]


def test_a_csv_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("subject,onset\ns1,3\n", "utf-8-sig")
    assert sheets.read(path) == [("subject", "onset"), ("s1", "3")]


def test_a_header_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx")
    with pytest.raises(DataDamaged, match="No row is its header, with the columns Offset, Subject"):
        list(sheets.below_header(path, sheets.read(path), [["Offset"], ["Subject"]]))


@pytest.mark.parametrize("name", ["t.xlsx", "t.xls"])
def test_bytes_that_are_no_table_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04 no table")
    with pytest.raises(DataDamaged, match="cannot be read as a table"):
        sheets.read(path)


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataDamaged, match="cannot be read as a table"):
        sheets.read(path)


def test_what_is_over_bounds_or_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "t.xlsx")
    with pytest.raises(DataDamaged, match=r"Give one of \.xlsx"):
        sheets.read(path.rename(tmp_path / "t.txt"))
    path = workbook(tmp_path / "t.xlsx")
    monkeypatch.setattr(sheets, "MOST_ROWS", 3)
    with pytest.raises(DataDamaged, match="over 3 rows"):
        sheets.read(path)
    monkeypatch.setattr(sheets, "MOST_BYTES", 1000)
    with pytest.raises(DataDamaged, match="over 0 MiB"):
        sheets.read(path)


@pytest.mark.parametrize(
    ("name", "size", "said_of"),
    [("xl/styles.xml", (1 << 20) + 1, "xl/styles.xml is over 1 MiB"), ("xl/any.xml", 16 << 20, "it is over 16 MiB")],
)
def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path, name: str, size: int, said_of: str) -> None:
    path = tmp_path / "t.xlsx"
    with zipfile.ZipFile(workbook(tmp_path / "plain.xlsx")) as plain, zipfile.ZipFile(path, "w", 8) as packed:
        for one in plain.namelist():
            if one != name:
                packed.writestr(one, plain.read(one))
        packed.writestr(name, b" " * size)
    with pytest.raises(DataDamaged, match=f"Unpacked {said_of}"):
        sheets.read(path)


def test_what_reads_a_workbook_is_named_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workbook(tmp_path / "t.xlsx")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(NeedsInstall, match=r"openpyxl is not installed[^']*'facebench\[tables\]'"):
        sheets.read(path)
