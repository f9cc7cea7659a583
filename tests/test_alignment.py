"""Cutting faces out: the similarity transform, the sampling, and tables of landmarks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import alignment, images
from bench.errors import ContractBroken, DataDamaged, DataMissing

TEMPLATE = np.array(alignment.TEMPLATE)
turns, scales = st.floats(-3.1, 3.1), st.floats(0.2, 5)
shifts = st.tuples(*[st.floats(-200, 200)] * 2)
REAL = Path(os.environ.get("FACEBENCH_DATA") or "-") / "lfw"


def moved(turn: float, scale: float, shift: Sequence[float]) -> np.ndarray:
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([linear, shift])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def umeyama(points: np.ndarray, template: np.ndarray) -> np.ndarray:
    """The published solution by a singular value decomposition (Umeyama 1991, equations 38 to 42)."""
    middle, to = points.mean(axis=0), template.mean(axis=0)
    covariance = (template - to).T @ (points - middle) / len(points)
    u, d, vt = np.linalg.svd(covariance)
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(sign) @ vt
    scale = (d * sign).sum() / ((points - middle) ** 2).sum() * len(points)
    return np.column_stack([scale * rotation, to - scale * rotation @ middle])


@given(turns, scales, shifts)
def test_a_template_that_was_moved_is_brought_back(turn: float, scale: float, shift: tuple[float, float]) -> None:
    points = apply(moved(turn, scale, shift), TEMPLATE)
    assert np.allclose(apply(alignment.similarity(points), points), TEMPLATE, atol=1e-8)


@given(st.lists(st.tuples(st.floats(0, 250), st.floats(0, 250)), min_size=5, max_size=5, unique=True))
def test_the_transform_is_the_published_one(points: list[tuple[float, float]]) -> None:
    given = np.array(points)
    if np.ptp(given, axis=0).max() > 1:
        assert np.allclose(alignment.similarity(given), umeyama(given, TEMPLATE), atol=1e-6)


def test_a_face_is_never_mirrored() -> None:
    mirrored = TEMPLATE * [-1, 1]
    assert np.linalg.det(alignment.similarity(mirrored)[:, :2]) > 0


@pytest.mark.parametrize("points", [np.full((5, 2), np.nan), np.full((5, 2), 7.0)], ids=["no face", "one place"])
def test_landmarks_without_a_transform_give_no_crop(points: np.ndarray) -> None:
    assert alignment.crop(np.zeros((50, 50, 3), np.uint8), points) is None


def test_a_picture_whose_landmarks_lie_on_the_template_is_taken_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    assert np.array_equal(alignment.crop(pixels, TEMPLATE), pixels)


def test_a_shift_by_whole_pixels_copies_them_and_the_outside_is_black() -> None:
    pixels = np.random.default_rng(0).integers(1, 256, (112, 112, 3), np.uint8)
    cut = alignment.crop(pixels, TEMPLATE - np.array([30, 10]))
    assert cut is not None
    assert np.array_equal(cut[10:, 30:], pixels[:-10, :-30])
    assert not cut[:10].any() and not cut[:, :30].any()


def test_between_pixels_the_nearest_four_are_mixed_by_distance() -> None:
    pixels = np.zeros((112, 112, 3), np.uint8)
    pixels[50, 60] = 200
    cut = alignment.crop(pixels, TEMPLATE + np.array([0.25, 0.5]))
    assert cut is not None
    assert cut[49:51, 59:61, 0].tolist() == [[25, 75], [25, 75]]


def test_landmarks_far_outside_give_a_black_crop() -> None:
    cut = alignment.crop(np.full((40, 40, 3), 255, np.uint8), TEMPLATE + 1e7)
    assert cut is not None and not cut.any()


@pytest.mark.parametrize(
    "value", [np.zeros((2, 4), np.float32), np.zeros((2, 5, 2)), [[1.0]]], ids=["boxes", "float64", "a list"]
)
def test_an_aligner_that_answers_in_another_shape_is_told_the_right_one(value: object) -> None:
    with pytest.raises(ContractBroken, match=r"float32 \[2, 5, 2\]"):
        alignment.LANDMARKS.check(value, 2)


# Tables of landmarks.


def table(folder: Path, *rows: str) -> Path:
    path = folder / "landmarks_made.csv"
    path.write_text("\n".join([",".join(("file", *alignment.COLUMNS)), *rows]) + "\n")
    return path


def test_a_table_is_read_by_the_base_name_of_the_images_asked_for(tmp_path: Path) -> None:
    path = table(tmp_path, "Ada/Ada_0001.jpg,1,2,3,4,5,6,7,8,9,10", "Bob/Bob_0001.jpg,0,0,0,0,0,0,0,0,0,0")
    assert alignment.read_table(path, ["Ada_0001.jpg"]) == {"Ada_0001.jpg": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)}


def test_empty_cells_say_that_no_face_was_found(tmp_path: Path) -> None:
    path = table(tmp_path, "a.jpg,1,2,3,4,5,6,7,8,9,10", "b.jpg,,,,,,,,,,")
    assert list(alignment.read_table(path, ["a.jpg", "b.jpg"])) == ["a.jpg"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["a.jpg,1,2,3,4,5,6,7,8,9,ten"], "Line 2: could not convert"),
        (["a.jpg,1,2,3,4,5,6,7,8,9,nan"], "Line 2: a cell is absent or not finite"),
        (["a.jpg,1,2,3"], "Line 2: a cell is absent"),
        (["a.jpg" + ",1" * 10, "x/a.jpg" + ",1" * 10], "Line 3: a.jpg is there twice"),
        (["other.jpg" + ",1" * 10], "It has none of the images"),
    ],
)
def test_a_damaged_table_is_refused_by_line(tmp_path: Path, rows: list[str], told: str) -> None:
    with pytest.raises(DataDamaged, match=told):
        alignment.read_table(table(tmp_path, *rows), ["a.jpg"])


def test_a_table_that_is_absent_is_asked_for_with_its_columns(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="left_eye_x"):
        alignment.read_table(tmp_path / "landmarks_made.csv", ["a.jpg"])


@pytest.mark.realdata_smoke
def test_crops_made_again_from_the_tables_landmarks_are_the_shared_crops_but_for_their_compression() -> None:
    folders = sorted((REAL / "aligned_112").iterdir())[::800]
    names = [path.name for folder in folders for path in sorted(folder.iterdir())[:1]]
    found = alignment.read_table(REAL / "landmarks_mtcnn.csv", names)
    apart = []
    for name in names:
        person = name.rpartition("_")[0]
        cut = alignment.crop(images.read(REAL / "original" / person / name), np.reshape(found[name], (5, 2)))
        shared = images.read(REAL / "aligned_112" / person / name)
        assert cut is not None
        apart.append(np.abs(cut.astype(int) - shared.astype(int)).mean())
    assert max(apart) < 3
