"""dlib's frame and the ArcFace template: the numbers are dlib's own, and the way between them is exact."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.alignment import TEMPLATE, similarity

dlib = pytest.importorskip("dlib")
geometry = pytest.importorskip("facebench_dlib.geometry")

FAR = 10**8  # dlib's points are whole numbers, so they are put far apart
PLACED = {36 + i: p for i, p in enumerate((*geometry.LEFT_EYE.tolist(), *geometry.RIGHT_EYE.tolist()))} | {
    30: geometry.NOSE_TIP,
    48: geometry.MOUTH_LEFT,
    54: geometry.MOUTH_RIGHT,
}
# A scale from a child's face in a crowd to a portrait, any turn, any place.
MOVES = st.builds(
    lambda scale, turn, x, y: np.array(
        [[scale * np.cos(turn), -scale * np.sin(turn), x], [scale * np.sin(turn), scale * np.cos(turn), y]]
    ),
    st.floats(5, 2000),
    st.floats(-np.pi, np.pi),
    st.floats(-500, 5000),
    st.floats(-500, 5000),
)


def moved(points: Any, transform: Any) -> Any:
    return np.asarray(points) @ transform[:, :2].T + transform[:, 2]


def inverse(transform: Any) -> Any:
    back = np.linalg.inv(transform[:, :2])
    return np.column_stack([back, -back @ transform[:, 2]])


def chip(points: Any) -> tuple[complex, complex]:
    """dlib's chip of these points: one side of it as a number with a direction, and its middle."""
    parts = [dlib.point(round(x), round(y)) for x, y in points]
    found = dlib.get_face_chip_details(dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), parts), 100, 0)
    return complex(found.rect.width() * np.exp(1j * found.angle)), complex(
        found.rect.dcenter().x, found.rect.dcenter().y
    )


def librarys_shape(places: dict[int, Any], count: int) -> Any:
    """Where get_face_chip_details holds its points to be, [count, 2], found by moving one point at a time.

    A chip's side is the sum over the points of (place of the mean face, less the mean of all)* times (place in the
    picture), over a constant; * is the conjugate. So what a point's move does to it tells its place. One that it does
    not use comes out in the middle of the others.
    """
    base = np.array([places.get(i, geometry.NOSE_TIP) for i in range(count)]) * FAR
    side, middle = chip(base)
    slopes = np.zeros(count, complex)
    for i in range(count):
        base[i, 0] += FAR
        slopes[i] = np.conj((chip(base)[0] - side) / FAR)
        base[i, 0] -= FAR
    used = abs(slopes) > 1e-6
    mean = 0.5 + 0.5j - (middle - complex(*base[used].mean(axis=0))) / side
    found = slopes / (abs(slopes) ** 2).sum() + mean
    return np.column_stack([found.real, found.imag])


@pytest.mark.parametrize(("places", "count"), [(dict(enumerate(geometry.FIVE.tolist())), 5), (PLACED, 68)])
def test_the_mean_faces_are_those_that_the_library_holds(places: dict[int, Any], count: int) -> None:
    shape = librarys_shape(places, count)
    assert shape[list(places)] == pytest.approx(np.array(list(places.values())), abs=1e-6)
    side, middle = chip(shape * FAR)  # a face that lies on the mean needs no move
    assert side / FAR == pytest.approx(1, abs=1e-6)
    assert middle / FAR == pytest.approx(0.5 + 0.5j, abs=1e-6)


@given(MOVES)
def test_points_on_the_mean_face_are_brought_to_the_template_exactly(move: Any) -> None:
    five = moved(geometry.FIVE, move)
    found = geometry.landmarks(five)
    assert found == pytest.approx(moved(geometry.TEMPLATE_IN_FRAME, move), abs=1e-2)
    assert moved(five, similarity(found)) == pytest.approx(geometry.FIVE_IN_ARCFACE, abs=0.05)


@given(MOVES, st.integers(0, 2**32 - 1))
def test_the_harness_finds_dlibs_transform_and_then_the_fixed_one(move: Any, seed: int) -> None:
    five = moved(geometry.FIVE + np.random.default_rng(seed).normal(0, 0.03, (5, 2)), move)
    crop = np.array(list(itertools.product((0, 56, 111), repeat=2)), float)
    frame = moved(crop, inverse(geometry.to_arcface()))
    picture = moved(frame, similarity(geometry.FIVE, five))
    assert moved(picture, similarity(geometry.landmarks(five))) == pytest.approx(crop, abs=0.05)


def test_the_five_anatomical_points_of_the_mean_face_lie_within_two_pixels_of_the_template() -> None:
    eyes = geometry.LEFT_EYE.mean(axis=0), geometry.RIGHT_EYE.mean(axis=0)
    five = [*eyes, geometry.NOSE_TIP, geometry.MOUTH_LEFT, geometry.MOUTH_RIGHT]
    off = np.linalg.norm(moved(five, geometry.to_arcface()) - np.array(TEMPLATE), axis=1)
    assert off.max() < 2.1
    turn = complex(*geometry.to_arcface()[:, 0])
    assert abs(np.angle(turn, deg=True)) < 0.5
