"""The camera frames a face as aligners do, mirrors what is mirrored, and sees no hole in a head."""

from __future__ import annotations

import doctest
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from facebench_synthetic import EMOTIONS, Expression, Face, Identity, Scene, landmarks, mesh, render
from numpy.typing import NDArray

TEMPLATE = [(38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20)]
SWAPPED = [1, 0, 2, 4, 3]


def covered(face: Face, size: int, frame: str) -> NDArray[np.bool_]:
    """Where no background shows through, be it only in one sample of a pixel."""
    scenes = [replace(face.scene, background=number) for number in (1, 2, 3)]
    pictures = [render(replace(face, scene=scene), size, frame).astype(int) for scene in scenes]  # type: ignore[arg-type]
    return (np.ptp(pictures, axis=0) == 0).all(axis=2)


def test_the_mean_face_lies_on_the_template_of_aligners() -> None:
    assert abs(landmarks(Face()) - TEMPLATE).max() < 1.0
    assert abs(landmarks(Face(), 224) - 2 * np.array(TEMPLATE)).max() < 2.0


def test_random_people_lie_near_the_template_when_frontal() -> None:
    off = [landmarks(Face(Identity.random(0, number))) - TEMPLATE for number in range(60)]
    assert abs(np.mean(off, axis=0)).max() < 1.5
    assert abs(np.array(off)).max() < 12


def test_a_picture_is_rgb_of_the_asked_size_and_larger_ones_show_the_same() -> None:
    face = Face(Identity.random(0, 4), Expression.emotion("fear"), Scene.random(0, 4))
    small, large = render(face), render(face, 336)
    assert (small.shape, small.dtype) == ((112, 112, 3), np.uint8)
    shrunk = large.reshape(112, 3, 112, 3, 3).mean(axis=(1, 3))
    assert abs(shrunk - small).mean() < 3


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_a_mirrored_pose_has_mirrored_landmarks(emotion: str) -> None:
    identity, expression = Identity.random(0, 9), Expression.emotion(emotion)
    one = landmarks(Face(identity, expression, Scene(yaw=30, pitch=12, roll=8)))
    other = landmarks(Face(identity, expression, Scene(yaw=-30, pitch=12, roll=-8)))
    assert abs(other[SWAPPED] * [-1, 1] + [112, 0] - one).max() <= 2 / 256


def test_turning_the_head_turns_the_landmarks() -> None:
    rest = landmarks(Face())
    nose = {name: landmarks(Face(scene=Scene(**{name: 15.0})))[2] - rest[2] for name in ("yaw", "pitch")}
    eyes = landmarks(Face(scene=Scene(roll=15.0)))
    assert nose["yaw"][0] > 1
    assert nose["pitch"][1] < -1
    assert np.degrees(np.arctan2(*(eyes[1] - eyes[0])[::-1])) == pytest.approx(15, abs=0.1)


def test_the_eyes_look_where_they_are_told() -> None:
    def pupil(right: float) -> float:
        picture = render(Face(scene=Scene(gaze_right=right)), 224)[92:114, 60:92].sum(axis=2)
        dark = (picture < 150)[6:18]
        return float(np.nonzero(dark)[1].mean())

    assert pupil(-25) < pupil(0) - 2 < pupil(25) - 4


def test_light_from_a_side_brightens_that_side() -> None:
    left, right = (render(Face(scene=Scene(light_right=turn))).astype(float) for turn in (-60, 60))
    cheeks = [picture[60:90, 20:45].mean() - picture[60:90, 67:92].mean() for picture in (left, right)]
    assert cheeks[0] > 20 and cheeks[1] < -20


@pytest.mark.parametrize("number", range(8))
def test_no_background_shows_within_a_face(number: int) -> None:
    emotion = list(EMOTIONS)[number % len(EMOTIONS)]
    face = Face(Identity.random(9, number), Expression.emotion(emotion), Scene.random(9, number, spread=1.2))
    whole = covered(face, 112, "arcface-112")
    shares = np.array([each for each in product(range(13), repeat=5) if sum(each) == 12]) / 12
    points = np.clip((shares[:, :, None] * landmarks(face)).sum(axis=1), 0, 111.9).astype(int)
    assert whole[points[:, 1], points[:, 0]].all()


@pytest.mark.parametrize("yaw", [-90, -50, 0, 25, 70])
@pytest.mark.parametrize("pitch", [-30, 0, 30])
def test_a_bald_head_is_closed_all_around(yaw: float, pitch: float) -> None:
    face = Face(Identity(hair=0.0, ear_size=-3.0), Expression.emotion("surprise"), Scene(yaw=yaw, pitch=pitch))
    whole = covered(face, 160, "portrait")
    # Down to where ears may stand apart from the head.
    head = whole[: int(landmarks(face, 160, "portrait")[:2, 1].min()) - 12]
    assert head.any(axis=1).sum() > 10
    for row in head[head.any(axis=1)]:
        filled = np.flatnonzero(row)
        assert len(filled) == filled[-1] - filled[0] + 1


def test_a_mesh_is_in_millimetres_with_the_same_triangles_for_everyone() -> None:
    vertices, triangles = mesh(Face(Identity.random(0, 0)))
    others, same = mesh(Face(Identity.random(0, 1), Expression.emotion("anger")))
    assert (vertices.dtype, triangles.dtype) == (np.float32, np.int32)
    assert vertices.shape == others.shape and np.array_equal(triangles, same)
    assert triangles.min() == 0 and triangles.max() < len(vertices)
    head = vertices[vertices[:, 1] > -112]
    assert 200 < np.ptp(head[:, 1]) < 280
    assert 140 < np.ptp(head[:, 0]) < 240


def test_the_examples_of_the_readme_hold() -> None:
    readme = Path(__file__).parents[1] / "README.md"
    failed, tried = doctest.testfile(str(readme), module_relative=False)
    assert tried > 5
    assert failed == 0
