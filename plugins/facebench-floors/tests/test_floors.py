"""The floors know nothing of faces, and are the same however they are asked."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import facebench_floors
import numpy as np
import pytest

import bench

RANDOM, CONSTANT = facebench_floors.facebench_methods()


def faces(count: int, side: int = 112) -> list[bench.Face]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    return [bench.Face(f"k{i}", image) for i, image in enumerate(pixels)]


def random(seed: int = 0) -> Any:
    return RANDOM.load(bench.Load(seed=seed))


@pytest.mark.parametrize("method", [RANDOM, CONSTANT], ids=lambda method: method.name)
def test_a_card_says_that_it_is_a_floor_and_was_trained_on_nothing(method: bench.Method) -> None:
    assert method.floor
    assert method.trained_on == method.withdrawn == ()
    assert method.tasks == {"verification", "identification"}
    assert method.inputs == {"raw", "arcface-112"}
    assert method.licence == "Apache-2.0"
    assert method.weights is None
    assert method.needs == ("numpy",)


def test_the_methods_are_called_random_and_constant() -> None:
    assert (RANDOM.name, CONSTANT.name) == ("random", "constant")


@pytest.mark.parametrize("method", [RANDOM, CONSTANT], ids=lambda method: method.name)
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
