"""The descriptor is the published one."""

from __future__ import annotations

import math

import facebench_hog
import numpy as np
import pytest
from facebench_hog import BINS, CELL, describe

import bench
from bench import samples

(METHOD,) = facebench_hog.facebench_methods()
FACES = samples.faces(4)


def plain_cells(length: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Trilinear votes, a pixel at a time."""
    rows, columns = length.shape[0] // CELL, length.shape[1] // CELL
    votes = np.zeros((rows, columns, BINS))
    for (y, x), value in np.ndenumerate(length):
        for row in range(rows):
            for column in range(columns):
                near_row = max(0, 1 - abs((y + 0.5) / CELL - (row + 0.5)))
                near_column = max(0, 1 - abs((x + 0.5) / CELL - (column + 0.5)))
                if near_row and near_column:
                    for b in range(BINS):
                        apart = abs(angle[y, x] - (b + 0.5) * 180 / BINS)
                        near = max(0, 1 - min(apart, 180 - apart) / (180 / BINS))
                        votes[row, column, b] += value * near_row * near_column * near
    return votes


def test_votes_are_those_of_a_plain_loop() -> None:
    generator = np.random.default_rng(0)
    length, angle = generator.random((24, 32)), generator.random((24, 32)) * 180
    assert facebench_hog._cells(length, angle) == pytest.approx(plain_cells(length, angle), abs=1e-12)


def test_an_aligned_face_has_169_blocks_of_36_numbers_of_length_one() -> None:
    found = describe(FACES[0].pixels).reshape(169, 36)
    lengths = np.linalg.norm(found, axis=1)
    assert ((abs(lengths - 1) < 1e-3) | (lengths < 0.1)).all()


def test_edges_of_one_direction_vote_for_that_direction() -> None:
    ramp = np.repeat(np.arange(112, dtype=np.uint8)[:, None, None], 112, 1).repeat(3, 2)
    votes = describe(ramp).reshape(169, BINS, 4).sum(axis=(0, 2))
    assert votes.argmax() == 90 // (180 // BINS)
    assert math.isclose(votes.sum(), votes[4], rel_tol=1e-9)


def test_a_flat_picture_is_all_zero() -> None:
    assert not describe(np.full((112, 112, 3), 80, np.uint8)).any()


def test_a_face_gets_the_same_vector_in_any_company() -> None:
    method = METHOD.load(bench.Load())
    together = method.embed(FACES)
    assert together.shape == (4, 6084) and together.dtype == np.float32
    assert np.array_equal(together[2:3], method.embed(FACES[2:3]))
