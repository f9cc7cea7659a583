"""Confusion matrices, subjects and timelines: which files there are and what stands in them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.plots import plot
from bench.suite import score_answers

pytest.importorskip("matplotlib")

HEAD = "subject,video,onset,offset,emotion\n"
Said = Callable[..., tuple[int, str, str]]


def texts(path: Path) -> list[str]:
    return re.findall(r">([^<>\n]+)</text>", path.read_text("utf-8"))


def table(path: Path, *rows: str) -> Path:
    path.write_text(HEAD + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def spotted(tmp_path: Path) -> Path:
    """Two tables scored: 14 videos, one interval found rightly, one wrongly."""
    truth = table(tmp_path / "gt.csv", *(f"{n % 3},v{n},0,9,x" for n in range(14)))
    found = table(tmp_path / "pred.csv", "0,v0,0,9,x", "1,v1,50,59,x")
    return score_answers("spotting/table", found, truth=truth, out=tmp_path / "runs")[1]


def test_a_timeline_has_a_row_a_video_and_a_page_for_each_twelve(spotted: Path) -> None:
    written = plot([spotted])
    assert [path.name for path in written] == ["timeline-01.svg", "timeline-02.svg"]
    assert sum(text.startswith("video ") for path in written for text in texts(path)) == 14
    first = written[0].read_text()
    assert {"true", "found rightly", "found wrongly"} <= set(texts(written[0]))
    assert first.count("fill: #d55e00") + written[1].read_text().count("fill: #d55e00") == 3  # one bar, two legends


def test_the_same_timeline_has_the_same_bytes(spotted: Path) -> None:
    once = [path.read_bytes() for path in plot([spotted])]
    assert [path.read_bytes() for path in plot([spotted])] == once


def classified(folder: Path, name: str) -> Path:
    """A result over classes, made of the trials alone."""
    import numpy as np

    from bench.answers import contents_sha256, write_table

    trials = {
        "trial": np.arange(6, dtype=np.int32),
        "subject": np.array([0, 0, 1, 1, 2, 2], np.int32),
        "part": ["x"] * 6,
        "truth": ["negative"] * 3 + ["surprise"] * 3,
        "answer": ["negative", "negative", "surprise", "", "surprise", "surprise"],
        "failure": ["", "", "", "no class", "", ""],
    }
    write_table(folder / "trials.parquet", trials)
    data = json.loads((folder / "result.json").read_text())
    changed = {**data, "roles": {"method": [name]}, "trials_sha256": contents_sha256(trials)}
    (folder / "result.json").write_text(json.dumps(changed))
    return folder


def test_a_confusion_matrix_has_counts_recalls_and_a_column_for_no_answer(spotted: Path) -> None:
    written = plot([classified(spotted, "mine")])
    assert [path.name for path in written] == ["confusion.svg", "subjects.svg"]
    shown = texts(written[0])
    assert {"negative (67%)", "surprise (67%)", "no answer", "mine"} <= set(shown)
    assert [text for text in shown if text.isdigit()] == ["2", "1", "0", "0", "2", "1"]


def test_a_name_of_a_stranger_is_escaped(spotted: Path) -> None:
    written = plot([classified(spotted, "<script>$x_{1}$")])
    assert all("<script>" not in path.read_text() for path in written)
    assert "&lt;script&gt;$x_{1}$" in texts(written[0])
