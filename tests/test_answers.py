"""Answers on disk and how they come there: whole or not at all, each beside its sample, the same however they came."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bench.answers import Cell, contents_sha256, read_table, write, write_table
from bench.errors import NotWritten, RunDamaged

ALIGNED = "verification/lfw/view2-arcface112"
DTYPES = ["bool", "int16", "int32", "int64", "uint8", "float32", "float64"]
HEADER = {"facebench": 1, "protocol": "p", "digest": "d", "roles": {"method": [{"method": "m"}]}, "limit": None}
TABLE = {"key": ["a", "b", "c"], "embedding": np.arange(6, dtype=np.float32).reshape(3, 2), "failure": ["", "x", ""]}


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    rows = draw(st.integers(0, 9))
    shapes = st.just((rows,)) | st.tuples(st.just(rows), st.integers(1, 5))
    numbers = st.tuples(st.sampled_from(DTYPES), shapes).flatmap(lambda kind: arrays.arrays(*kind))
    return draw(
        st.dictionaries(st.text("abc_", min_size=1), numbers | st.lists(st.text(), min_size=rows, max_size=rows))
    )


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# Tables.


@given(tables())
@settings(deadline=None)
def test_a_table_comes_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, table: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("table") / "t.parquet"
    write_table(path, table)
    back = read_table(path)
    assert list(back) == list(table)
    assert contents_sha256(back) == contents_sha256(table)


def test_what_is_not_finite_comes_back_to_the_bit(tmp_path: Path) -> None:
    table = {"x": np.array([[np.nan, -np.inf], [-0.0, np.float32(1e-45)]], np.float32)}
    write_table(tmp_path / "t", table)
    assert read_table(tmp_path / "t")["x"].tobytes() == table["x"].tobytes()


def test_the_same_contents_give_the_same_bytes_whatever_their_order_in_memory(tmp_path: Path) -> None:
    write_table(tmp_path / "one", TABLE)
    write_table(tmp_path / "two", TABLE | {"embedding": np.asfortranarray(TABLE["embedding"])})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    "other",
    [
        {"x": np.array([1, 2, 4], np.int32)},
        {"x": np.array([1, 2, 3], np.int64)},
        {"x": np.array([[1, 2, 3]], np.int32)},
        {"x": ["1", "2", "3"]},
        {"y": np.array([1, 2, 3], np.int32)},
        {"x": np.array([1, 2, 3], np.int32), "y": np.array([], np.int32)},
        {},
    ],
)
def test_any_other_contents_have_another_digest(other: dict[str, Any]) -> None:
    table = {"x": np.array([1, 2, 3], np.int32)}
    assert contents_sha256(other) != contents_sha256(table)
    assert contents_sha256({"x": np.array([1, 2, 3], ">i4")}) == contents_sha256(table)


def test_texts_that_merely_join_to_the_same_have_another_digest() -> None:
    digests = {contents_sha256({"x": texts}) for texts in (["ab", "c"], ["a", "bc"], ["abc"], ['a", "bc'])}
    assert len(digests) == 4


def test_a_small_file_that_stands_for_gigabytes_is_not_read(tmp_path: Path) -> None:
    rows = 60_000
    one = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["x" * 30_000]))
    same = {
        "texts": {"failure": one},
        "numbers": {"score": pa.array(np.zeros(1 << 20))},
        "lists": {"failure": pa.ListArray.from_arrays(np.arange(rows + 1, dtype=np.int32), one)},
    }
    path = tmp_path / "t.parquet"
    for kind, columns in same.items():
        pq.write_table(pa.table(columns), path, compression="zstd", store_schema=kind != "lists")
        assert path.stat().st_size < 200_000
        with pytest.raises(RunDamaged, match="larger than any table") as raised:
            read_table(path, most=1 << 22)
        assert not raised.value.do, "removing it would not help"


def test_many_rows_of_few_texts_are_read_where_there_is_room(tmp_path: Path) -> None:
    table = {"failure": [["", "no face", "x" * 2000][i % 3 // 2 + i % 2] for i in range(3000)], "x": np.arange(3000)}
    write_table(tmp_path / "t", table)
    back = read_table(tmp_path / "t", most=9 << 20)
    assert back["failure"] == table["failure"] and contents_sha256(back) == contents_sha256(table)
    with pytest.raises(RunDamaged, match="larger than any table"):
        read_table(tmp_path / "t", most=2 << 20)


def test_two_columns_of_one_name_are_named_as_damage(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"]), tmp_path / "t")
    with pytest.raises(RunDamaged, match="one name"):
        read_table(tmp_path / "t")


def test_a_table_cut_off_anywhere_is_named_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    write_table(path, TABLE)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(RunDamaged) as raised:
            read_table(path)
        assert str(path) in str(raised.value) and "remove this one file" in raised.value.do


def test_a_flipped_bit_is_named_as_damage_or_changes_no_vector(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    write_table(path, TABLE)
    whole, found = path.read_bytes(), 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x80]) + whole[place + 1 :])
        try:
            vectors = read_table(path).get("embedding")
        except RunDamaged:
            found += 1
        else:  # names and types in the footer have no checksum, the pages do
            assert getattr(vectors, "dtype", None) != np.float32 or np.array_equal(vectors, TABLE["embedding"])
    assert found > len(whole) / 2


# Files.


def test_a_file_is_written_with_its_folders_and_nothing_else_is_left(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "file", "grüße")
    with open(tmp_path / "a" / "b" / "file", encoding="utf-8") as older:
        write(tmp_path / "a" / "b" / "file", b"\xff")
        assert older.read() == "grüße", "who had opened the older file still reads all of it"
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"\xff"
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "b", "file"]


def test_a_file_there_is_no_room_for_leaves_the_older_one_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write(path, "old")
    with room_for(1000), pytest.raises(NotWritten) as raised:
        write(path, b"n" * 5000)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    assert str(path) in raised.value.asked and "File too large" in raised.value.found and "--out" in raised.value.do


@pytest.mark.parametrize("place", ["file/inside", "folder", "x" * 300], ids=["inside-a-file", "a-folder", "long-name"])
def test_a_place_where_no_file_can_be_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inhabitant").touch()
    with pytest.raises(NotWritten) as raised:
        write(tmp_path / place, b"new")
    assert str(tmp_path / place) in str(raised.value)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder", "inhabitant"]


# The cell.


def test_a_cell_keeps_its_header_and_the_settings_it_began_with(tmp_path: Path) -> None:
    cell = Cell(tmp_path / "cell")
    assert cell.header() is None
    begun = cell.open(HEADER | {"settings": {"threads": 1}})
    assert cell.open(HEADER | {"settings": {"threads": 8}}) == begun == Cell(tmp_path / "cell").header()
    assert begun["settings"] == {"threads": 1}


@pytest.mark.parametrize("key", HEADER)
def test_a_header_that_differs_in_anything_else_is_refused_and_kept(key: str, tmp_path: Path) -> None:
    cell = Cell(tmp_path)
    cell.open(HEADER)
    before = (tmp_path / "header.json").read_bytes()
    for other in (HEADER | {key: "another"}, HEADER | {key: {"long": "x" * 500}}, HEADER | {"new " + key: 1}):
        with pytest.raises(RunDamaged) as raised:
            cell.open(other)
        assert f"another {key}" in str(raised.value) or f"another new {key}" in str(raised.value)
        assert "--out" in raised.value.do and len(str(raised.value)) < 600
    assert (tmp_path / "header.json").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b"\xff", b'"text"'])
def test_a_header_that_is_none_is_refused_and_kept(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "header.json").write_bytes(content)
    with pytest.raises(RunDamaged, match="not a run's header"):
        Cell(tmp_path).open(HEADER)
    assert (tmp_path / "header.json").read_bytes() == content


def test_a_locked_cell_is_refused_to_others_until_it_is_let_go(tmp_path: Path) -> None:
    with Cell(tmp_path).locked(), pytest.raises(NotWritten, match="Another run"), Cell(tmp_path).locked():
        pass
    with Cell(tmp_path).locked():
        pass


def part(start: int, rows: int, width: int = 2, **more: Any) -> dict[str, Any]:
    numbers = np.arange(start, start + rows, dtype=np.float32)
    table = {"key": [f"k{i}" for i in range(start, start + rows)], "embedding": numbers[:, None].repeat(width, 1)}
    return table | {"failure": [""] * rows} | more


def kept(folder: Path, *parts: dict[str, Any]) -> Cell:
    cell = Cell(folder)
    for number, table in enumerate(parts):
        write_table(cell.part("all", number), table)
    return cell


def test_parts_are_read_in_their_order_whichever_was_written_first(tmp_path: Path) -> None:
    cell = Cell(tmp_path)
    for number in (11, 0, 2, 1, *range(3, 11)):
        write_table(cell.part("all", number), part(number * 3, 3))
    table = cell.read("all", [3] * 12)
    assert table["key"] == [f"k{i}" for i in range(36)]
    assert table["embedding"][:, 0].tolist() == [*range(36)]


def test_a_part_that_is_absent_or_of_another_length_is_named(tmp_path: Path) -> None:
    cell = kept(tmp_path, part(0, 3), part(3, 2))
    assert len(cell.read("all", [3, 2])["key"]) == 5
    for asked in (1, 3):
        with pytest.raises(RunDamaged, match=f"It has 2 rows, {asked} were asked") as raised:
            cell.read("all", [3, asked])
        assert str(cell.part("all", 1)) in str(raised.value)
    with pytest.raises(RunDamaged, match=r"part-00002\.parquet was read\.\nIt does not exist"):
        cell.read("all", [3, 2, 1])


@pytest.mark.parametrize(
    "second",
    [part(3, 3, width=3), part(3, 3, width=1), {"key": list("abc"), "failure": [""] * 3}, part(3, 3, more=np.ones(3))],
    ids=["wider", "narrower", "a column less", "a column more"],
)
def test_parts_that_do_not_go_together_are_refused_rather_than_filled_up(
    second: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(RunDamaged):
        kept(tmp_path, part(0, 3), second).read("all", [3, 3])


# Asking: each answer beside its sample.


def answers(folder: Path) -> dict[str, Any]:
    parts = [read_table(path) for path in sorted(folder.rglob("part-*.parquet"))]
    return {name: [row for table in parts for row in table[name]] for name in ("key", "embedding", "failure")}


def test_only_the_sample_that_makes_a_method_raise_fails(answered_by: Any, tmp_path: Path) -> None:
    def embed(rows: Any, faces: Any) -> Any:
        if chosen in [face.key for face in faces]:
            raise KeyError("not this one")
        return rows

    chosen = ""
    answered_by(embed, "whole")
    whole = answers(tmp_path / "whole")
    chosen = whole["key"][19]
    result = answered_by(embed, "raised")
    found = answers(tmp_path / "raised")
    assert (result.failures, result.reasons) == (1, {"raised KeyError": 1})
    assert [place for place, reason in enumerate(found["failure"]) if reason] == [19]
    assert np.isnan(found["embedding"][19]).all() and found["key"] == whole["key"]
    whole["embedding"][19] = found["embedding"][19]
    np.testing.assert_array_equal(found["embedding"], whole["embedding"])


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_a_row_that_is_not_finite_is_a_failure_of_its_sample_alone(answered_by: Any, tmp_path: Path) -> None:
    def embed(rows: Any, faces: Any) -> Any:
        for row, face in zip(rows, faces, strict=True):
            row[5] = (np.nan, np.inf, -np.inf, 0)[int(face.pixels.sum()) % 4]
        return rows

    result, found = answered_by(embed), answers(tmp_path)
    gone = [not np.isfinite(row).all() for row in found["embedding"]]
    assert 0 < result.failures == sum(gone) < 48
    assert [bool(reason) for reason in found["failure"]] == gone


def test_a_run_that_goes_on_at_a_part_without_any_answer_ends_as_one_that_was_not_stopped(
    answered_by: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def embed(rows: Any, faces: Any) -> Any:
        if set(gone) & {face.key for face in faces}:
            raise ValueError("no face")
        return rows

    monkeypatch.setattr("bench.asking.PART", 8)
    gone: list[str] = []
    answered_by(embed, "keys")
    gone = answers(tmp_path / "keys")["key"][16:24]
    whole = answered_by(embed, "whole")
    (part,) = (tmp_path / "whole").rglob("part-00002.parquet")
    before = part.read_bytes()
    for path in (part, part.parent.parent / "result.json"):
        path.unlink()
    assert answered_by(embed, "whole") == whole
    assert part.read_bytes() == before


def test_parts_that_changed_places_are_found(answered_by: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def embed(rows: Any, faces: Any) -> Any:
        return rows

    monkeypatch.setattr("bench.asking.PART", 8)
    answered_by(embed)
    first, second = (next(tmp_path.rglob(f"part-0000{n}.parquet")) for n in (0, 1))
    (first.parent.parent / "result.json").unlink()
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    with pytest.raises(RunDamaged, match="in another order"):
        answered_by(embed)
