"""Aligned runs and 'prepare': an aligner is asked once, what it misses is counted, the crops are known by hash."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bench
from bench import suite
from bench.alignment import COLUMNS, TEMPLATE
from bench.errors import DataMissing, FacebenchError, Mismatch, UnknownName

RAW, CROPS = "verification/lfw/view2", "verification/lfw/view2-arcface112"


def landmarks(root: Path, gone: str = "") -> Path:
    """A table of landmarks for the synthetic raw pictures, the face filling each, none in the picture ``gone``."""
    points = np.ravel(TEMPLATE) * 250 / 112
    lines = [",".join(("file", *COLUMNS))]
    for path in sorted((root / "lfw" / "original").rglob("*.jpg")):
        cells = [""] * len(COLUMNS) if path.name == gone else [f"{value:.3f}" for value in points]
        lines.append(",".join((f"{path.parent.name}/{path.name}", *cells)))
    table = root / "lfw" / "landmarks_made.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def value(result: bench.Result, metric: str) -> float:
    score = result.score(metric)
    assert score is not None
    return score.value


def test_an_aligner_makes_a_method_for_crops_answer_raw_pictures_and_is_in_its_name(own: Path, tmp_path: Path) -> None:
    (result,) = bench.run(RAW, "toy-crops:align=finds-some", data=own, out=tmp_path / "runs")
    assert result.name == "toy-crops:align=finds-some"
    assert set(result.cards) == {"toy-crops:align=finds-some", "finds-some"}
    dark = [p for p in (own / "lfw" / "original").rglob("*.jpg") if np.asarray(Image.open(p))[0, 0, 0] < 128]
    assert result.reasons == {"no face found": len(dark)}
    assert value(result, "fte") == pytest.approx(len(dark) / result.samples)


def test_a_method_for_crops_alone_is_refused_raw_pictures_with_the_way_out(own: Path) -> None:
    with pytest.raises(Mismatch, match="toy-crops:align=ALIGNER"):
        bench.run(RAW, "toy-crops", data=own)


def test_a_protocol_of_crops_has_nothing_to_align(own: Path) -> None:
    with pytest.raises(UnknownName, match="align"):
        bench.run(CROPS, "toy-crops:align=finds-some", data=own)


def test_what_is_no_aligner_cuts_nothing_out(own: Path) -> None:
    with pytest.raises(Mismatch, match="finds no faces"):
        bench.run(RAW, "toy-crops:align=toy", data=own)


def test_an_unknown_aligner_gets_the_nearest_names(own: Path) -> None:
    with pytest.raises(UnknownName, match="finds-some"):
        bench.run(RAW, "toy-crops:align=find-some", data=own)


def test_an_aligner_that_answers_boxes_ends_its_cell(own: Path, tmp_path: Path) -> None:
    with pytest.raises(FacebenchError, match="float32"):
        bench.run(RAW, "toy-crops:align=finds-boxes", data=own, out=tmp_path)


def test_a_table_of_the_data_set_stands_in_an_aligners_place(own: Path, tmp_path: Path) -> None:
    landmarks(own)
    plain, aligned = bench.run(RAW, ["toy-raw", "toy-crops:align=made-table"], data=own, out=tmp_path)
    assert aligned.failures == 0
    assert value(aligned, "eer") == pytest.approx(value(plain, "eer"), abs=0.2)
    assert aligned.cards["made-table"].code


def test_a_table_that_changed_makes_another_cell(own: Path, tmp_path: Path) -> None:
    landmarks(own)
    (first,) = bench.run(RAW, "toy-crops:align=made-table", data=own, out=tmp_path)
    landmarks(own, gone="Person_0_0001.jpg")
    (second,) = bench.run(RAW, "toy-crops:align=made-table", data=own, out=tmp_path)
    assert (first.failures, second.failures) == (0, 1)


def test_a_table_that_is_not_there_is_named(own: Path) -> None:
    with pytest.raises(DataMissing, match=r"landmarks_no-such\.csv"):
        bench.run(RAW, "toy-crops:align=no-such-table", data=own)


def test_faces_that_were_missed_are_left_out_of_a_training_split(own: Path, tmp_path: Path) -> None:
    landmarks(own, gone="Person_0_0001.jpg")
    (result,) = bench.run(RAW, "steps:align=made-table", data=own, out=tmp_path)
    assert result.reasons == {"no face found": 1}


def test_prepare_writes_crops_landmarks_and_what_was_missed(own: Path, tmp_path: Path, said: Any) -> None:
    code, out, _ = said("prepare", RAW, "--align", "finds-some", "--data", own, "--out", tmp_path / "runs", "--json")
    told = json.loads(out)
    folder = Path(told["folder"])
    crops = sorted((folder / "crops").rglob("*.png"))
    assert code == 0
    assert len(crops) == told["images"] - len(told["missed"]) and told["missed"]
    assert all(Image.open(crop).size == (112, 112) for crop in crops)
    assert {name.partition(":")[0] for name in told["missed"]}.isdisjoint(f"{crop.stem}.jpg" for crop in crops)
    written = json.loads((folder / "prepared.json").read_text())
    assert written["sha256"] == told["sha256"] and written["aligner"]["method"] == "finds-some"
    rows = (folder / "landmarks.csv").read_text().splitlines()
    assert len(rows) == told["images"] + 1
    assert sum(row.endswith("," * 10) for row in rows) == len(told["missed"])


def test_prepare_twice_gives_the_same_hash_and_mends_what_was_removed(own: Path, tmp_path: Path) -> None:
    first = suite.prepare(RAW, "finds-some", data=own, out=tmp_path)
    crop = next((first.folder / "crops").rglob("*.png"))
    crop.unlink()
    second = suite.prepare(RAW, "finds-some", data=own, out=tmp_path)
    assert (second.sha256, second.missed) == (first.sha256, first.missed) and crop.exists()


def test_a_run_goes_on_from_what_prepare_found(own: Path, tmp_path: Path) -> None:
    made = suite.prepare(RAW, "finds-some", data=own, out=tmp_path)
    parts = {path: path.stat().st_mtime_ns for path in made.folder.rglob("part-*.parquet")}
    (result,) = bench.run(RAW, "toy-crops:align=finds-some", data=own, out=tmp_path)
    assert parts and {path: path.stat().st_mtime_ns for path in made.folder.rglob("part-*.parquet")} == parts
    assert result.failures == len(made.missed)


def test_prepared_landmarks_serve_as_a_table(own: Path, tmp_path: Path) -> None:
    made = suite.prepare(RAW, "finds-some", data=own, out=tmp_path)
    shutil.copyfile(made.folder / "landmarks.csv", own / "lfw" / "landmarks_kept.csv")
    again = suite.prepare(RAW, "kept-table", data=own, out=tmp_path)
    assert len(again.missed) == len(made.missed)


def test_only_raw_images_are_prepared(own: Path) -> None:
    with pytest.raises(Mismatch, match="arcface-112 already"):
        suite.prepare(CROPS, "finds-some", data=own)
