"""Curves that a spotter went by: how they cross, what is refused, and where they are drawn."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.answers import write_table
from bench.errors import ContractBroken
from bench.intervals import SPOT, read_curves
from bench.plots import plot
from bench.suite import score_answers

INTERVALS = [[3, 5, 9, "x", "micro"]]


def told(value: Any) -> tuple[str, str]:
    columns = SPOT.check(value, 1)
    return columns["intervals"][0], columns["curves"][0]


def test_a_curve_stands_beside_the_intervals_to_five_digits_and_a_gap_in_it_stays_one() -> None:
    curve = np.array([np.nan, 0.1234567, -2.0, np.inf], np.float32)
    line, curves = told({"intervals": INTERVALS, "curves": {"micro": curve}})
    assert line == told(INTERVALS)[0]
    (read,) = read_curves(curves).values()
    assert read[1:3] == [0.12346, -2.0] and math.isnan(read[0]) and math.isnan(read[3])


def test_intervals_alone_have_no_curve_in_either_form() -> None:
    assert told(INTERVALS) == told({"intervals": INTERVALS}) == told({"intervals": INTERVALS, "curves": {}})
    assert read_curves(told(INTERVALS)[1]) == {}


def test_no_answer_and_one_without_a_curve_are_the_same_answer_where_intervals_agree() -> None:
    one, other = (SPOT.check({"intervals": INTERVALS, "curves": {"": np.full(4, n, float)}}, 1) for n in (1, 2))
    assert SPOT.same(one, other), "no score rests on a curve"
    assert set(SPOT.empty({}, 2)) == {"intervals", "curves"}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"curves": {}}, "It returned a dict of 'curves'"),
        ({"intervals": None}, "It returned a dict of 'intervals'"),
        ({"intervals": [], "apex": 3}, "It returned a dict of"),
        ({"intervals": [], "curves": [1.0]}, "Its curves are"),
        ({"intervals": [], "curves": {"score": np.zeros(3)}}, "Its curves are"),
        ({"intervals": [], "curves": {"micro": [0.0, 1.0]}}, "Its curve 'micro' is"),
        ({"intervals": [], "curves": {"micro": np.zeros((3, 2))}}, "Its curve 'micro' is"),
        ({"intervals": [], "curves": {"micro": np.zeros(3, np.int64)}}, "Its curve 'micro' is"),
        ({"intervals": [], "curves": {"micro": np.zeros(1_000_001, np.float32)}}, "Its curve 'micro' is"),
    ],
)
def test_what_is_no_curve_is_refused_and_said(value: Any, says: str) -> None:
    with pytest.raises(ContractBroken, match=says):
        SPOT.check(value, 1)


@pytest.fixture
def spotted(tmp_path: Path) -> Path:
    """Two videos of two subjects: one of three intervals found with its emotion, and one found that is none."""
    head = "subject,video,onset,offset,emotion\n"
    truth, found = tmp_path / "gt.csv", tmp_path / "pred.csv"
    truth.write_text(head + "a,1,0,9,x\nb,2,20,29,y\nb,2,40,49,y\n")
    found.write_text(head + "a,1,0,9,x\nb,2,60,69,y\n")
    return score_answers("spotting/table", found, truth=truth, out=tmp_path / "runs")[1]


def texts(path: Path) -> list[str]:
    return re.findall(r">([^<>\n]+)</text>", path.read_text("utf-8"))


def with_curves(folder: Path, *lines: str) -> Path:
    """The folder of a run whose method told curves."""
    part = folder / "all" / "part-00000.parquet"
    write_table(part, {"key": [f"{n:06d}" for n in range(len(lines))], "curves": list(lines)})
    return folder


def lines_drawn(path: Path) -> int:
    """How many curves there are on a timeline: paths of their colours, legend apart."""
    strokes = re.findall(r"fill: none; stroke: (#0072b2|#cc79a7)", path.read_text("utf-8"))
    return len(strokes) - len([text for text in texts(path) if text.startswith("its curve")])


def test_curves_are_drawn_from_the_folder_of_the_run_and_named(spotted: Path) -> None:
    pytest.importorskip("matplotlib")
    bare = plot([spotted])[0]
    assert lines_drawn(bare) == 0 and not any(text.startswith("its curve") for text in texts(bare))
    with_curves(spotted, '{"micro":[null,0.5,1,2],"macro":[1,1,1]}', '{"micro":[null,null]}')
    drawn = plot([spotted])[0]
    assert lines_drawn(drawn) == 2, "a curve without any number is none"
    assert {"its curve, micro", "its curve, macro"} <= set(texts(drawn))
    once = drawn.read_bytes()
    assert plot([spotted])[0].read_bytes() == once


def test_what_was_spotted_has_a_confusion_matrix_and_a_dot_a_subject(spotted: Path) -> None:
    pytest.importorskip("matplotlib")
    written = {path.stem: path for path in plot([spotted])}
    assert set(written) == {"timeline-01", "confusion", "subjects"}
    shown = texts(written["confusion"])
    assert {"x (100% found)", "y (0% found)", "not found", "another word or none"} <= set(shown)
    assert [text for text in shown if text.isdigit()] == ["1", "0", "0", "0", "0", "0", "0", "2"]
    assert "F1 of spotting" in texts(written["subjects"])
