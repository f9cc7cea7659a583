"""Eigenfaces are the principal components of what they were fitted on."""

from __future__ import annotations

from typing import Any

import facebench_eigenfaces
import numpy as np
import pytest

import bench
from bench import samples

(METHOD,) = facebench_eigenfaces.facebench_methods()
DEFAULTS = {option.name: option.default for option in METHOD.options}


def load(**options: Any) -> Any:
    return METHOD.load(bench.Load(options={**DEFAULTS, **options}))


def examples(faces: list[bench.Face]) -> bench.Examples:
    return bench.Examples(np.arange(len(faces)), lambda positions: [faces[i] for i in positions])


def fitted(faces: list[bench.Face], **options: Any) -> Any:
    method = load(**options)
    (snapshot,) = method.fit(examples(faces), None)
    method.restore(snapshot.weights)
    return method


FACES = samples.faces(20)


def test_the_axes_are_orthonormal_and_sorted_by_variance() -> None:
    method = fitted(FACES)
    assert method.axes.T @ method.axes == pytest.approx(np.eye(method.axes.shape[1]), abs=1e-9)
    assert (np.diff(method.deviation) <= 1e-12).all()
    assert method.embed(FACES).std(axis=0) == pytest.approx(method.deviation, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("scale", [56, 28])
def test_they_are_those_of_a_singular_value_decomposition(scale: int) -> None:
    method = fitted(FACES, scale=scale, components=5)
    grey = np.stack([method._grey(face) for face in FACES])
    _, _, rows = np.linalg.svd(grey - grey.mean(axis=0), full_matrices=False)
    assert np.abs((rows[:5] * method.axes.T).sum(axis=1)) == pytest.approx(np.ones(5), abs=1e-9)


def test_more_faces_than_pixels_and_fewer_agree() -> None:
    few = load(scale=28, components=3)
    grey = np.stack([few._grey(face) for face in FACES])
    many = [face for face in FACES for _ in range(45)]  # 900 faces of 784 pixels
    (snapshot,) = few.fit(examples(many), None)
    _, _, rows = np.linalg.svd(grey - grey.mean(axis=0), full_matrices=False)
    assert np.abs((rows[:3] * snapshot.weights["axes"].T).sum(axis=1)) == pytest.approx(np.ones(3), abs=1e-9)


def test_skip_leaves_out_the_largest_and_whiten_evens_out() -> None:
    plain, skipped = fitted(FACES, components=6), fitted(FACES, components=3, skip=3)
    assert skipped.embed(FACES) == pytest.approx(plain.embed(FACES)[:, 3:], abs=1e-5)
    whitened = fitted(FACES, components=6, whiten=True).embed(FACES)
    assert whitened.std(axis=0) == pytest.approx(np.ones(6), rel=1e-4)


def test_a_face_gets_the_same_vector_in_any_company() -> None:
    method = fitted(FACES)
    together = method.embed(FACES)
    assert np.array_equal(together[3:4], method.embed(FACES[3:4]))
    assert together.dtype == np.float32


def test_a_split_that_is_too_small_is_refused_with_the_option() -> None:
    with pytest.raises(ValueError, match="skip=3 leaves nothing of 4"):
        list(load(skip=3).fit(examples(FACES[:4]), None))
