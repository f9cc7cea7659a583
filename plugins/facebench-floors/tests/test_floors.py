"""The floors know nothing of faces, and are the same however they are asked."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import facebench_floors
import numpy as np
import pytest

import bench

RANDOM, CONSTANT, MAJORITY = facebench_floors.facebench_methods()
EMBEDS = pytest.mark.parametrize("method", [RANDOM, CONSTANT], ids=lambda method: method.name)


def faces(count: int, side: int = 112) -> list[bench.Face]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    return [bench.Face(f"k{i}", image) for i, image in enumerate(pixels)]


def random(seed: int = 0) -> Any:
    return RANDOM.load(bench.Load(seed=seed))


@pytest.mark.parametrize("method", [RANDOM, CONSTANT, MAJORITY], ids=lambda method: method.name)
def test_a_card_says_that_it_is_a_floor_and_was_trained_on_nothing(method: bench.Method) -> None:
    assert method.floor
    assert method.trained_on == method.withdrawn == ()
    assert method.inputs == {"raw", "arcface-112", "clip", "flow-28"}
    assert method.licence == "Apache-2.0"
    assert method.weights is None
    assert method.needs == ("numpy",)


def test_each_floor_answers_what_it_can_and_only_the_majority_is_fitted() -> None:
    faces, classes = {"verification", "identification"}, {"micro_expression", "expression"}
    assert {method.name: method.tasks for method in (RANDOM, CONSTANT, MAJORITY)} == {
        "random": faces | classes | {"spotting"},
        "constant": faces | classes | {"spotting"},
        "majority": classes,
    }
    assert [method.trainable for method in (RANDOM, CONSTANT, MAJORITY)] == [False, False, True]


@EMBEDS
@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_face_of_any_size_gets_128_numbers(method: bench.Method, count: int) -> None:
    vectors = method.load(bench.Load()).embed(faces(count, side=250))
    assert vectors.shape == (count, 128)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()


def test_the_constant_vector_is_ones() -> None:
    assert (CONSTANT.load(bench.Load()).embed(faces(3)) == 1).all()


def test_a_face_gets_the_same_random_vector_in_any_order_and_batch() -> None:
    asked = faces(6)
    vectors = random().embed(asked)
    assert np.array_equal(random().embed(asked[::-1])[::-1], vectors)
    assert np.array_equal(np.concatenate([random().embed([face]) for face in asked]), vectors)


def test_the_random_vector_does_not_depend_on_the_key() -> None:
    (face,) = faces(1)
    assert np.array_equal(random().embed([face]), random().embed([bench.Face("another", face.pixels)]))


def test_another_process_draws_the_same_random_vector() -> None:
    code = (
        "import bench, facebench_floors, numpy as np\n"
        "method = facebench_floors.facebench_methods()[0].load(bench.Load(seed=3))\n"
        "print(method.embed([bench.Face('k', np.zeros((112, 112, 3), np.uint8))]).tobytes().hex())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    here = random(3).embed([bench.Face("k", np.zeros((112, 112, 3), np.uint8))])
    assert there == here.tobytes().hex()


def test_other_pixels_shapes_and_seeds_get_other_random_vectors() -> None:
    black = np.zeros((112, 112, 3), np.uint8)
    almost = black.copy()
    almost[-1, -1, -1] = 1
    asked = [bench.Face("k", pixels) for pixels in (black, almost, black.reshape(56, 224, 3))]
    vectors = np.concatenate([random(0).embed(asked), random(1).embed(asked)])
    assert len({vector.tobytes() for vector in vectors}) == 6


def test_random_vectors_of_different_faces_are_unrelated() -> None:
    vectors = random().embed(faces(400, side=8)).astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
    assert abs(cosines.mean()) < 0.005
    assert cosines.std() == pytest.approx(1 / np.sqrt(128), rel=0.05)


def test_listing_the_floors_loads_no_numpy() -> None:
    code = "import sys, facebench_floors as f; f.facebench_methods(); print('numpy' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False"


def clip(seconds: float, fps: float = 20.0) -> bench.Clip:
    frames = np.random.default_rng(1).integers(0, 256, (round(seconds * fps), 8, 8, 3), np.uint8)
    return bench.Clip("k", frames, fps)


def test_random_classes_are_each_as_likely_and_the_same_in_any_order() -> None:
    labels = ["negative", "positive", "surprise"]
    asked = faces(300, side=8)
    scores = random().classify(asked, labels)
    assert scores.dtype == np.float32
    assert (np.bincount(scores.argmax(axis=1)) > 70).all()
    assert np.array_equal(random().classify(asked[::-1], labels)[::-1], scores)
    assert random().classify([clip(1)], labels).shape == (1, 3)


def test_the_constant_class_is_the_first() -> None:
    scores = CONSTANT.load(bench.Load()).classify(faces(3), ["negative", "positive"])
    assert scores.argmax(axis=1).tolist() == [0, 0, 0]


def test_the_majority_is_that_of_what_it_learned_from() -> None:
    labels = np.array([2, 0, 2, 1, 2])
    examples = bench.Examples(labels, lambda places: [])
    (snapshot,) = MAJORITY.load(bench.Load()).fit(examples, None)
    fitted = MAJORITY.load(bench.Load())
    fitted.restore(snapshot.weights)
    assert fitted.classify(faces(2), ["a", "b", "c", "d"]).tolist() == [[1, 1, 3, 0]] * 2


@pytest.mark.parametrize(("seconds", "found"), [(0.05, 1), (4, 1), (10, 1), (25, 3)])
def test_random_intervals_come_once_in_ten_seconds_and_lie_in_the_clip(seconds: float, found: int) -> None:
    given = clip(seconds)
    intervals = random().spot(given)
    assert len(intervals) == found
    for number, (onset, apex, offset, emotion) in enumerate(intervals):
        assert 200 * number <= onset <= apex <= offset < len(given.frames)
        assert offset - onset < 10
        assert emotion in facebench_floors.EMOTIONS
    assert random().spot(given) == intervals
    assert seconds < 1 or random(1).spot(given) != intervals


def test_a_clip_without_frames_has_no_intervals() -> None:
    assert random().spot(bench.Clip("k", np.zeros((0, 8, 8, 3), np.uint8), 20.0)) == []


@bench.parametrize_with_checks(["majority"])
def test_the_majority_plays_by_the_rules(check: Any) -> None:
    check()


def test_the_constant_method_finds_no_interval() -> None:
    assert CONSTANT.load(bench.Load()).spot(bench.Clip("k", np.zeros((9, 8, 8, 3), np.uint8), 20.0)) == []
