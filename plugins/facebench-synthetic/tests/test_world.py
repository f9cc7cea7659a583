"""People differ, expressions move what they should, and the truth of clips and sweeps is exact."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from facebench_synthetic import (
    EMOTIONS,
    UNITS,
    Expression,
    Face,
    Identity,
    Scene,
    clip,
    landmarks,
    mesh,
    render,
    sweep,
)
from facebench_synthetic.head import COLUMNS, INNER, LID, LIP, MIDDLE, OUTER, PLACES, ROWS
from facebench_synthetic.identity import SHAPE
from numpy.typing import NDArray

EYE = MIDDLE + (INNER + OUTER) // 2
BROW_IN, BROW_OUT = MIDDLE + 4, MIDDLE + OUTER - 1
BROW = int(np.argmin(abs(PLACES + 21)))


def skin(units: dict[int, float] | str, identity: Identity | None = None) -> NDArray[np.float32]:
    """The skin's grid of vertices, mm, under action units or an emotion."""
    expression = Expression.emotion(units) if isinstance(units, str) else Expression.of(units)
    return mesh(Face(identity or Identity(), expression))[0][: ROWS * COLUMNS].reshape(ROWS, COLUMNS, 3)


def rise(units: dict[int, float] | str, row: int, column: int) -> float:
    """How far a vertex lies above where it is at rest, mm."""
    return float(skin(units)[row, column, 1] - skin({})[row, column, 1])


def gap(units: dict[int, float] | str, row: int, column: int) -> float:
    """How far the two edges of a slit stand apart, mm."""
    grid = skin(units)
    return float(grid[row, column, 1] - grid[row + 1, column, 1])


def test_a_person_is_the_same_whenever_drawn_and_no_other() -> None:
    assert Identity.random(5, 8) == Identity.random(5, 8)
    people = {Identity.random(seed, number) for seed in range(3) for number in range(50)}
    assert len(people) == 150


def test_shapes_spread_as_the_units_of_their_coefficients_say() -> None:
    names = [item.name for item in fields(Identity) if item.metadata["limits"] == SHAPE]
    values = np.array([[getattr(Identity.random(0, n), name) for name in names] for n in range(300)])
    assert abs(values.mean()) < 0.05
    assert 0.95 < values.std() < 1.05
    assert abs(np.corrcoef(values.T) - np.eye(len(names))).max() < 0.25


def test_other_people_look_less_alike_than_one_person_under_another_light() -> None:
    people = [Identity.random(11, number) for number in range(8)]
    one, other = Scene(light_right=-25.0), Scene(light_right=25.0, ambient=0.5)

    def seen(person: Identity, scene: Scene) -> NDArray[np.float64]:
        return render(Face(person, scene=scene)).astype(np.float64)

    under_one, under_other = ([seen(person, scene) for person in people] for scene in (one, other))
    same = np.mean([abs(a - b).mean() for a, b in zip(under_one, under_other, strict=True)])
    between = np.mean([abs(a - b).mean() for i, a in enumerate(under_one) for b in under_one[:i]])
    assert between > 1.5 * same


def test_light_and_colour_leave_the_mesh_alone_and_shape_does_not() -> None:
    face = Face(Identity.random(2, 2))
    dark = replace(
        face, identity=replace(face.identity, skin_tone=0.9, lips=0.1), scene=Scene(light=0.2, light_right=60)
    )
    assert np.array_equal(mesh(face)[0], mesh(dark)[0])
    wide = replace(face, identity=replace(face.identity, jaw_width=3.0))
    assert abs(mesh(face)[0] - mesh(wide)[0]).max() > 3.0


@pytest.mark.parametrize("name", [item.name for item in fields(Identity)])
def test_every_coefficient_of_a_person_shows(name: str) -> None:
    low, high = Identity.__dataclass_fields__[name].metadata["limits"]
    first, last = (render(face, 112, "portrait") for face in sweep(Face(Identity(hair=0.4)), name, (low, high)))
    assert (abs(first.astype(int) - last).max(axis=2) > 8).sum() > 10


def test_a_smile_raises_and_widens_the_corners_of_the_mouth() -> None:
    rest, smile = (landmarks(Face(expression=Expression.emotion(name))) for name in ("neutral", "happiness"))
    assert (smile[3:, 1] < rest[3:, 1] - 2).all()
    assert smile[4, 0] - smile[3, 0] > rest[4, 0] - rest[3, 0] + 4


def test_surprise_opens_the_mouth_widens_the_eyes_and_raises_the_brows() -> None:
    assert gap({}, LIP, MIDDLE) == 0
    assert gap("surprise", LIP, MIDDLE) > 15
    assert gap("surprise", LID, EYE) > gap({}, LID, EYE) + 2
    assert min(rise("surprise", BROW, column) for column in (BROW_IN, BROW_OUT)) > 4


def test_sadness_lowers_the_mouths_corners_and_raises_the_inner_brows_above_the_outer() -> None:
    rest, sad = (landmarks(Face(expression=Expression.emotion(name))) for name in ("neutral", "sadness"))
    assert (sad[3:, 1] > rest[3:, 1] + 2).all()
    assert rise("sadness", BROW, BROW_IN) > rise("sadness", BROW, BROW_OUT) + 1


def test_anger_lowers_the_brows_and_keeps_the_mouth_shut_and_narrow() -> None:
    assert rise("anger", BROW, BROW_IN) < -3
    assert gap("anger", LIP, MIDDLE) == 0
    rest, angry = (landmarks(Face(expression=Expression.emotion(name))) for name in ("neutral", "anger"))
    assert angry[4, 0] - angry[3, 0] < rest[4, 0] - rest[3, 0] - 2


def test_fear_widens_the_eyes_and_stretches_the_mouth_and_disgust_narrows_and_raises() -> None:
    rest, afraid = (landmarks(Face(expression=Expression.emotion(name))) for name in ("neutral", "fear"))
    assert gap("fear", LID, EYE) > gap({}, LID, EYE) + 2
    assert afraid[4, 0] - afraid[3, 0] > rest[4, 0] - rest[3, 0] + 4
    assert gap("disgust", LID, EYE) < gap({}, LID, EYE) - 2
    assert rise("disgust", LIP, MIDDLE) > 4


def test_an_open_mouth_is_dark_inside_and_shows_teeth_in_a_smile() -> None:
    def inside(emotion: str) -> NDArray[np.uint8]:
        picture = render(Face(expression=Expression.emotion(emotion)), 224)
        return picture[180:224, 100:124].reshape(-1, 3)

    assert inside("surprise").max(axis=1).min() < 40
    assert inside("happiness").min(axis=1).max() > inside("neutral").min(axis=1).max() + 20


@pytest.mark.parametrize("number", range(6))
def test_closed_eyes_are_shut_for_everyone_and_lips_and_lids_never_cross(number: int) -> None:
    identity = Identity.random(4, number)
    assert abs(skin({43: 1.0}, identity)[LID] - skin({43: 1.0}, identity)[LID + 1])[:, 1].max() < 1e-3
    for units in ({43: 0.5, 5: 1.0}, {6: 1.0, 7: 1.0, 9: 1.0}, {10: 1.0, 17: 1.0, 23: 1.0}, {25: 1.0, 27: 1.0}):
        grid = skin(units, identity)
        assert (grid[LID, :, 1] >= grid[LID + 1, :, 1] - 1e-3).all()
        assert (grid[LIP, :, 1] >= grid[LIP + 1, :, 1] - 1e-3).all()


@pytest.mark.parametrize("unit", UNITS)
def test_an_action_unit_grows_with_its_intensity(unit: int) -> None:
    moves = [abs(skin({unit: share}) - skin({})).max() for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert moves[0] == 0
    assert all(one < two for one, two in pairwise(moves))


def test_an_emotion_without_intensity_is_neutral() -> None:
    neutral = render(Face())
    for emotion in EMOTIONS:
        assert np.array_equal(render(Face(expression=Expression.emotion(emotion, 0.0))), neutral)


@pytest.mark.parametrize("unit", [1, 4, 12, 43])
def test_a_clip_peaks_at_its_apex_and_is_neutral_outside_onset_and_offset(unit: int) -> None:
    identity, scene = Identity.random(1, 1), Scene.random(1, 1)
    frames = clip(identity, scene, unit, onset=3, apex=7, offset=10, length=14, intensity=0.3)
    moves = np.array([abs(mesh(frame)[0] - mesh(frames[0])[0]).max() for frame in frames])
    assert len(frames) == 14
    assert (moves[[0, 1, 2, 3, 10, 11, 12, 13]] == 0).all()
    assert (moves[4:10] > 0).all()
    assert np.argmax(moves) == 7
    assert (np.diff(moves[3:8]) > 0).all() and (np.diff(moves[7:11]) < 0).all()
    neutral = render(Face(identity, scene=scene))
    assert all(np.array_equal(render(frames[at]), neutral) for at in (0, 3, 10, 13))
    assert not np.array_equal(render(frames[7]), neutral)


def test_a_clip_of_no_possible_order_is_refused() -> None:
    with pytest.raises(ValueError, match="give 0 <= onset < apex < offset < length"):
        clip(Identity(), Scene(), 12, onset=5, apex=5, offset=8, length=10)


def test_a_sweep_changes_one_thing_and_holds_the_rest() -> None:
    face = Face(Identity.random(1, 3), Expression.emotion("happiness"), Scene.random(1, 3))
    aged = list(sweep(face, "age", (20, 50, 80)))
    assert [each.identity.age for each in aged] == [20, 50, 80]
    assert all(replace(each.identity, age=face.identity.age) == face.identity for each in aged)
    assert all((each.expression, each.scene) == (face.expression, face.scene) for each in aged)
    assert [each.scene.yaw for each in sweep(face, "yaw", (-10, 10))] == [-10, 10]


def test_darker_skin_is_darker_and_grey_hair_comes_with_age() -> None:
    tones = [render(each)[60:75, 30:80].mean() for each in sweep(Face(), "skin_tone", np.linspace(0, 1, 6))]
    assert (np.diff(tones) < 0).all()
    young, old = (render(each, 112, "portrait")[8:18, 48:64] for each in sweep(Face(), "age", (20, 85)))
    colourful = [float(np.ptp(hair.astype(int), axis=2).mean()) for hair in (young, old)]
    assert colourful[1] < colourful[0] / 2


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Identity(age=5), "Identity.age must be 18 to 90, got 5"),
        (lambda: Scene(yaw=120), "Scene.yaw must be -90 to 90, got 120"),
        (lambda: Expression.of({3: 0.5}), "there is no action unit 3 here: give one of 1, 2, 4"),
        (lambda: Expression.of({12: 1.5}), r"units\[12\] must be 0 to 1, got 1.5"),
        (lambda: Expression(((12, 0.2), (12, 0.3))), "may be given once"),
        (lambda: Expression.emotion("joy"), "there is no emotion 'joy' here: give one of neutral, happiness"),
        (lambda: sweep(Face(), "height", (1, 2)), "no attribute 'height' to sweep: give one of skull_width"),
        (lambda: render(Face(), 4), "size must be 16 to 1024 pixels, got 4"),
        (lambda: render(Face(), 112, "passport"), "no frame 'passport': give one of arcface-112, portrait"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_what_to_give_instead(make, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=says):
        make()
