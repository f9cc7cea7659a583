"""Confusion matrices, subjects and timelines: which files there are and what stands in them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.answers import contents_sha256, read_table, write_table
from bench.class_plots import _wilson
from bench.errors import WrongUse
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
    *written, _, _ = plot([spotted])
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
    assert [path.name for path in written] == ["confusion.svg", "recalls.svg", "subjects.svg"]
    shown = texts(written[0])
    assert {"negative (67%)", "surprise (67%)", "no answer", "mine"} <= set(shown)
    assert [text for text in shown if text.isdigit()] == ["2", "1", "0", "0", "2", "1"]


def test_a_name_of_a_stranger_is_escaped(spotted: Path) -> None:
    written = plot([classified(spotted, "<script>$x_{1}$")])
    assert all("<script>" not in path.read_text() for path in written)
    assert "&lt;script&gt;$x_{1}$" in texts(written[0])


def test_recalls_stand_with_their_intervals_a_row_a_class(spotted: Path) -> None:
    recalls = plot([classified(spotted, "mine")])[1]
    assert {"negative", "surprise", "mine", "recall, with its interval of 95 %"} <= set(texts(recalls))
    assert [round(float(end), 4) for end in _wilson(2.0, 3.0)] == [0.5731, 0.3654]  # 20.77 % to 93.85 %, as published


def asked_in_words(spotted: Path, folder: Path, *names: str) -> list[Path]:
    """Results of one protocol whose trials say how replies were read."""
    made = []
    for name in names:
        made.append(folder / name.replace(":", "-"))
        shutil.copytree(spotted, made[-1])
        classified(made[-1], name)
        trials = {**read_table(made[-1] / "trials.parquet"), "reading": ["parser 1"] * 6}
        write_table(made[-1] / "trials.parquet", trials)
        data = json.loads((made[-1] / "result.json").read_text())
        (made[-1] / "result.json").write_text(json.dumps({**data, "trials_sha256": contents_sha256(trials)}))
    return made


def test_a_heat_map_has_a_row_a_model_and_a_column_a_wording(spotted: Path, tmp_path: Path) -> None:
    names = ("vlm", "vlm:wording=q3", "vlm:ask=closed,wording=q1", "vlm:answer=loglik,wording=q3")
    written = plot(asked_in_words(spotted, tmp_path, *names), tmp_path / "out")
    assert "wordings.svg" in [path.name for path in written]
    shown = texts(tmp_path / "out" / "wordings.svg")
    assert {"vlm", "vlm:answer=loglik", "free q2", "free q3", "closed q1"} <= set(shown)
    assert sum(text.endswith("%") for text in shown) == 4


def test_more_results_than_can_be_told_apart_still_stand_in_one_heat_map(spotted: Path, tmp_path: Path) -> None:
    many = asked_in_words(spotted, tmp_path, *(f"vlm-{i}" for i in range(9)))
    assert [path.name for path in plot(many, tmp_path / "out")] == ["wordings.svg"]
    with pytest.raises(WrongUse, match="From 1 to 8 can be told apart"):
        plot([spotted] * 9, tmp_path / "out")
