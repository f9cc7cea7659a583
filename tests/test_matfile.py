"""MATLAB files: read as scipy wrote them, within bounds whatever they hold."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import matfile
from bench.matfile import Cells, Refused

HEAD = b"MATLAB 5.0".ljust(124) + b"\x00\x01IM"


def cells(*rows: list[Any]) -> Any:
    found = np.empty((len(rows), len(rows[0])), object)
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            found[i, j] = value
    return found


def saved(path: Path, value: Any, packed: bool = False) -> Path:
    scipy.io.savemat(path, {"before": np.eye(2), "it": value}, do_compression=packed)
    return path


def element(kind: int, data: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matrix(what: int, shape: tuple[int, ...], content: bytes, name: bytes = b"it", order: str = "<") -> bytes:
    parts = element(6, struct.pack(f"{order}II", what, 0), order)
    parts += element(5, struct.pack(f"{order}{len(shape)}i", *shape), order)
    return element(14, parts + element(1, name, order) + content, order)


def refusal(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(Refused) as raised:
        matfile.read(path, "it")
    return str(raised.value)


@pytest.mark.parametrize("packed", [False, True])
def test_cells_structs_texts_and_numbers_are_read_column_by_column(packed: bool, tmp_path: Path) -> None:
    value = cells([{"name": "One É", "age": 7.0}, "text"], [np.array([[1, 2], [3, 4]], np.int8), cells(["deep"])])
    found = matfile.read(saved(tmp_path / "a.mat", value, packed), "it")
    assert isinstance(found, Cells) and found.shape == (2, 2)
    one, numbers, text, deep = found.items
    assert one["name"] == "One É" and one["age"].tolist() == [7.0]
    assert numbers.tolist() == [1, 3, 2, 4] and text == "text"
    assert deep == Cells((1, 1), ["deep"])


def test_variables_of_other_names_are_not_looked_into(tmp_path: Path) -> None:
    path, text = tmp_path / "a.mat", matrix(4, (1, 1), element(16, b"a"))
    path.write_bytes(HEAD + matrix(17, (1, 1), b"opaque", b"other") + matrix(1, (9, 9), b"", b"") + text)
    assert matfile.read(path, "it") == "a"


def test_structs_in_an_array_are_cells_of_structs(tmp_path: Path) -> None:
    value = np.array([(1.0, 2.0), (3.0, 4.0)], [("a", "O"), ("bc", "O")])
    found = matfile.read(saved(tmp_path / "a.mat", value), "it")
    assert [{name: float(of[0]) for name, of in one.items()} for one in found.items] == [
        {"a": 1.0, "bc": 2.0},
        {"a": 3.0, "bc": 4.0},
    ]


def test_bytes_of_either_order_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    text = element(4, "Zoë".encode("utf-16-be"), ">")
    path.write_bytes(HEAD[:124] + b"\x01\x00MI" + matrix(4, (1, 3), text, order=">"))
    assert matfile.read(path, "it") == "Zoë"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "no MAT-file"),
        (b"MATLAB 7.3".ljust(200), "no MAT-file"),
        (HEAD, "no variable 'it'"),
        (HEAD + matrix(4, (1, 1), element(16, b"a"), b"other"), "no variable 'it'"),
        (HEAD + b"\x0e\0\0\0\xff\xff\xff\xff", "cut off"),
        (HEAD + b"\x0e\0\0", "cut off"),
        (HEAD + element(9, b"12345678"), "type 9 where a matrix belongs"),
        (HEAD + element(15, b"no zlib"), "cannot be unpacked"),
        (HEAD + element(15, zlib.compress(element(15, b""))), "type 15 where a matrix belongs"),
        (HEAD + matrix(1, (1 << 30, 1 << 30), b""), "values are announced"),
        (HEAD + matrix(1, (-1, 1), b""), "without a class or a shape"),
        (HEAD + matrix(1, (1,), b""), "without a class or a shape"),
        (HEAD + matrix(2, (1 << 30, 1), element(5, b"\x08\0\0\0") + element(1, b"")), "struct without fields"),
        (HEAD + matrix(2, (1, 1), element(5, b"\0\0\0\0") + element(1, b"a")), "struct without fields"),
        (HEAD + matrix(2, (1, 1), element(7, b"\0\0\xc0\x7f") + element(1, b"a")), "no whole number"),
        (HEAD + matrix(3, (1, 1), b""), "class 3"),
        (HEAD + matrix(5, (1, 1), b""), "class 5"),
        (HEAD + matrix(0x0806, (1, 1), element(9, b"12345678")), "class 6"),
        (HEAD + matrix(6, (1, 2), element(9, b"12345678")), "1 numbers in a matrix of 2"),
        (HEAD + matrix(6, (1, 1), element(9, b"1234")), "no numbers where they belong"),
        (HEAD + matrix(6, (1, 1), element(14, b"")), "no numbers where they belong"),
        (HEAD + matrix(4, (1, 1), element(9, b"12345678")), "type 9 where a text belongs"),
        (HEAD + matrix(4, (1, 1), element(16, b"\xff")), "a text that is none"),
        (HEAD + matrix(4, (1, 1), b"\x01\0\x05\0abcd"), "cut off"),
    ],
)
def test_what_is_no_such_file_is_refused_with_what_was_found(data: bytes, found: str, tmp_path: Path) -> None:
    assert found in refusal(tmp_path / "a.mat", data)


def test_cells_in_cells_are_followed_a_few_levels_only(tmp_path: Path) -> None:
    data = matrix(4, (1, 1), element(16, b"a"), b"")
    for _ in range(2000):
        data = matrix(1, (1, 1), data, b"it")
    assert "levels deep" in refusal(tmp_path / "a.mat", HEAD + data)


def test_a_small_file_that_unpacks_to_a_large_one_is_refused_before_it_does(tmp_path: Path) -> None:
    path, most = tmp_path / "a.mat", matfile.MOST_BYTES
    path.write_bytes(HEAD + element(15, zlib.compress(bytes(2 * most))))
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="over 64 MiB unpacked"):
            matfile.read(path, "it")
        assert tracemalloc.get_traced_memory()[1] < 2.5 * most
    finally:
        tracemalloc.stop()
    assert "over 64 MiB" in refusal(path, HEAD + bytes(most))


def listed() -> bytes:
    out = io.BytesIO()
    pair = [{"name": "1_One_2", "age": 7.0}, {"name": "1_One_3", "age": 37.0}]
    scipy.io.savemat(out, {"it": cells([{"pairs": cells(pair, pair), "annot": np.array([[1, -1]])}])})
    return out.getvalue()


LIST = listed()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.data())
def test_a_file_cut_off_or_changed_anywhere_is_read_or_refused_and_nothing_else(
    drawn: st.DataObject, tmp_path: Path
) -> None:
    data = bytearray(LIST)
    for at in drawn.draw(st.lists(st.integers(124, len(data) - 1), max_size=4)):
        data[at] = drawn.draw(st.integers(0, 255))
    (tmp_path / "a.mat").write_bytes(
        data[: drawn.draw(st.integers(0, len(data)))] if drawn.draw(st.booleans()) else data
    )
    with contextlib.suppress(Refused):
        matfile.read(tmp_path / "a.mat", "it")
