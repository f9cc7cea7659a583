"""The procedural samples are of the shapes that records promise, the same each time, and of different people."""

from __future__ import annotations

import numpy as np

from bench import samples


def test_faces_are_read_only_rgb_of_the_size_asked_for() -> None:
    for face in samples.faces(3, size=(120, 90)):
        assert face.pixels.shape == (120, 90, 3)
        assert face.pixels.dtype == np.uint8
        assert not face.pixels.flags.writeable


def test_the_same_seed_draws_the_same_faces_and_people_differ() -> None:
    first, again, other = samples.faces(6), samples.faces(6), samples.faces(6, seed=1)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, again, strict=True))
    assert len({face.pixels.tobytes() for face in first + other}) == 12
    assert len({face.key for face in first + other}) == 12


def test_a_mouth_opens_and_closes_within_a_clip() -> None:
    (clip,) = samples.clips(1, frames=9)
    moved = [np.abs(frame.astype(int) - clip.frames[0]).sum() for frame in clip.frames]
    assert clip.frames.shape == (9, 112, 112, 3)
    assert moved[0] == moved[-1] == 0
    assert np.argmax(moved) == 4


def test_a_scan_is_a_closed_ring_of_triangles_over_its_vertices() -> None:
    (scan,) = samples.scans(1, frames=3)
    assert scan.vertices.shape[0] == scan.views.shape[0] == 3
    assert scan.vertices.dtype == np.float32
    assert scan.triangles.min() == 0
    assert scan.triangles.max() == scan.vertices.shape[1] - 1
