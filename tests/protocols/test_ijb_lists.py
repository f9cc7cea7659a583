"""The lists of IJB-B and IJB-C: what is read is what a plain parser reads, or it is refused by its line."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.errors import DataDamaged, DataMissing
from bench.protocol import Data
from bench.protocols import ijb_lists
from bench.protocols.ijb_lists import DETECTED, MEDIA, PAIRS, PEOPLE, Layout, at_line, read

DATA = Data("some", "some", "none", "its owner")
NUMBERS = st.integers(0, 999_999_999).map(str)
PLAIN = {
    "pairs": st.tuples(NUMBERS, NUMBERS, st.sampled_from("01")).map(" ".join),
    "media": st.tuples(st.sampled_from(["1.jpg", "a_b-2.png"]), NUMBERS, NUMBERS).map(" ".join),
    "people": st.tuples(NUMBERS, NUMBERS, st.just("x.jpg")).map(",".join),
}
LAYOUTS = {"pairs": PAIRS, "media": MEDIA, "people": PEOPLE}
STRANGE = st.text("0123456789 .,-+eE\t\"'#jpgnaf/\0é", max_size=12)


def slow(text: str, layout: Layout) -> list[list[str]] | int:
    """The first cells of every line that is not empty, or the number of the first line that is no row."""
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line and not (layout.header and number == 1):
            if not layout.row.fullmatch(line):
                return number
            rows.append(line.split(layout.separator)[: len(layout.columns)])
    return rows


@pytest.mark.parametrize("kind", LAYOUTS)
@settings(deadline=None)
@given(st.data())
def test_a_list_is_read_as_a_plain_parser_does_or_refused(kind: str, data: st.DataObject) -> None:
    layout, plain = LAYOUTS[kind], PLAIN[kind]
    lines = data.draw(st.lists(st.one_of(plain, plain, plain, STRANGE), min_size=1, max_size=5))
    text = "\n".join(["a,b,c"] * layout.header + lines) + "\n"
    check(text, layout)


@settings(deadline=None)
@example("1 2 1\n")
@example("1 2 1\n\n3 4 0")
@example("1 2 1\n3 4\n")
@example("+1 2 1\n")
@example("0 0 00")
@example("0000000001 2 1")
@example("1230000000 2 1")
@example("01 2 1\n")
@example("1 2 1 \n")
@example(" 1 2 1\n")
@example("1 2 true\n")
@example("")
@given(st.text("0123 \n", max_size=30))
def test_pairs_of_any_digits_and_spaces(text: str) -> None:
    check(text, PAIRS)


def check(text: str, layout: Layout) -> None:
    expected = slow(text, layout)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "list.txt"
            path.write_text(text, encoding="utf-8")
            columns = read(path, layout, DATA)
    except DataDamaged as error:
        assert isinstance(expected, int) or not expected or ragged(text, layout), error
        assert not isinstance(expected, int) or f"Line {expected} is no row" in error.found
        return
    assert expected == [list(map(str, row)) for row in zip(*map(list, columns.values()), strict=True)] or zeros(
        expected
    )


def zeros(expected: list[list[str]] | int) -> bool:
    """Whether a number is written with leading zeros, which reading drops."""
    return isinstance(expected, list) and any(c.isdigit() and c != str(int(c)) for row in expected for c in row)


def ragged(text: str, layout: Layout) -> bool:
    """Whether rows below a header have other counts of cells than it has."""
    return layout.header and len({line.count(",") for line in text.split("\n") if line}) > 1


def test_landmarks_and_scores_are_the_nearest_floats(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    points = generator.uniform(-20, 400, (50, 10)).round(3)
    scores = [*generator.uniform(0, 1, 48).round(6).tolist(), 1e-05, 0.0]
    rows = [
        f"{i}.jpg {' '.join(map(str, p))} {s}" for i, (p, s) in enumerate(zip(points.tolist(), scores, strict=True))
    ]
    path = tmp_path / "scores.txt"
    path.write_text("\n".join(rows))
    columns = read(path, DETECTED, DATA)
    found = np.stack([columns[f"p{i}"] for i in range(10)], axis=1)
    assert (found == points.astype(np.float32)).all()
    assert (columns["score"] == np.array(scores, np.float32)).all()


def test_a_list_that_is_absent_a_folder_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataMissing):
        read(tmp_path / "absent.txt", PAIRS, DATA)
    with pytest.raises(DataDamaged):
        read(tmp_path, PAIRS, DATA)
    monkeypatch.setattr(ijb_lists, "MOST_BYTES", 4)
    (tmp_path / "list.txt").write_text("1 2 1\n")
    with pytest.raises(DataDamaged, match="over"):
        read(tmp_path / "list.txt", PAIRS, DATA)


def test_a_row_is_named_by_the_line_it_is_on(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("header\n\na\n\nb\nc\n")
    assert at_line(path, 1, "so.", DATA, header=True).found == "Line 5: so."
    assert at_line(path, 1, "so.", DATA).found == "Line 3: so."
