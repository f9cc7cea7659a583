"""The protocols over clips: what is true in them, how long it lasts, and that the truth is what is drawn."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from facebench_synthetic import clip_protocols as clips
from facebench_synthetic.film import faces, pictures

import bench

NOWHERE = Path("no data root is needed")


def look() -> str:
    """SHA-256 over a few frames of eight clips of each kind."""
    digest = hashlib.sha256()
    for subject in range(8):
        for name, step in ((f"p{subject}/long", 200), (f"p{subject}/short-{subject}", 8)):
            for picture in pictures(clips.film(name)[0], step):
                digest.update(picture.tobytes())
    return digest.hexdigest()


def test_the_look_is_the_pinned_one() -> None:
    assert look() == clips.LOOK


def test_each_long_clip_has_a_micro_and_a_macro_expression_of_each_class_with_rest_between() -> None:
    truth = clips.read_long(NOWHERE).truth
    assert truth.types == ("micro", "macro") and len(set(truth.subjects.tolist())) == clips.VIDEOS
    for intervals in truth.intervals:
        assert Counter((one.type, one.emotion) for one in intervals) == {
            (type, emotion): 1 for type in truth.types for emotion in truth.classes
        }
        assert all(later.onset - one.offset > clips.REST for one, later in pairwise(intervals))
        assert intervals[0].onset >= clips.REST and intervals[-1].offset < clips.LONG - clips.REST


def test_a_micro_expression_lasts_half_a_second_at_most_and_a_macro_expression_longer() -> None:
    truth = clips.read_long(NOWHERE).truth
    for one in (one for intervals in truth.intervals for one in intervals):
        seconds = (one.offset - one.onset + 1) / clips.LONG_FPS
        assert (seconds <= truth.micro_seconds) == (one.type == "micro")


def test_short_clips_are_of_twelve_subjects_with_as_many_of_each_class() -> None:
    truth = clips.read_short(NOWHERE).truth
    assert Counter(truth.subjects.tolist()) == dict.fromkeys(range(12), 9)
    assert np.bincount(truth.truth).tolist() == [36, 36, 36]


@pytest.mark.parametrize("name", ["p3/long", "p3/short-4"])
def test_the_expression_shows_between_onset_and_offset_and_peaks_at_the_apex(name: str) -> None:
    film, intervals = clips.film(name)
    units = [dict(face.expression.units) for face in faces(film)]
    strength = [sum(value for unit, value in one.items() if unit != 43) for one in units]
    inside = np.zeros(film.length, bool)
    for one in intervals:
        inside[one.onset + 1 : one.offset] = True
        assert int(np.argmax(strength[one.onset : one.offset])) + one.onset == one.apex
    assert np.array_equal(np.array(strength) > 0, inside)


def test_heads_drift_a_little_each_frame_and_eyes_blink_now_and_then() -> None:
    film, _ = clips.film("p5/long")
    scenes = [face.scene for face in faces(film)]
    yaw = np.array([scene.yaw for scene in scenes])
    assert 0 < abs(np.diff(yaw)).max() < 0.3 and abs(yaw - film.scene.yaw).max() < 3
    shut = [dict(face.expression.units).get(43, 0.0) == 1 for face in faces(film)]
    assert 3 <= sum(shut) <= 9


def test_a_clip_is_drawn_under_its_opaque_key_at_its_frame_rate() -> None:
    (sample, *_) = clips.read_short(NOWHERE).samples
    clip = sample.read(sample.key)
    film, (one,) = clips.film(sample.name)
    assert isinstance(clip, bench.Clip) and (clip.key, clip.fps) == ("000000", 60.0)
    assert clip.frames.shape == (one.offset + 1, 112, 112, 3) and clip.frames.dtype == np.uint8
    assert not clip.frames.flags.writeable
    assert np.array_equal(clip.frames[0], next(pictures(film)))


def test_the_people_of_long_and_short_clips_are_different_ones() -> None:
    long, short = ({clips.film(name)[0].identity for name in clips.films(task)} for task in ("spotting", "others"))
    assert len(long) == clips.VIDEOS and len(short) == clips.SUBJECTS and not long & short
