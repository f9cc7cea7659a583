"""MDMD step by step, against a transcription pixel by pixel; what it finds in films whose truth is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from facebench_flow_spotter.feature import BLOCKS, corrected_bins, curve, difference, published_bins
from facebench_flow_spotter.flow import SMALLEST, named
from facebench_flow_spotter.spotter import LENGTH, K, Spotter, fitting, lasting, runs

import bench

Array = np.ndarray


@bench.parametrize_with_checks(["mdmd:flow=dis"])
def test_the_method_plays_by_the_rules(check: Any) -> None:
    check()


def slow_difference(before: Array, after: Array, corrected: bool) -> float:
    """F_t pixel by pixel, with the arctangents themselves."""
    height, width = before.shape[0] // BLOCKS, before.shape[1] // BLOCKS
    means = []
    for row in range(BLOCKS):
        for column in range(BLOCKS):
            bins: dict[int, list[float]] = {0: [], 1: [], 2: [], 3: []}
            for y in range(row * height, (row + 1) * height):
                for x in range(column * width, (column + 1) * width):
                    u, v = map(float, before[y, x])
                    angle = math.degrees(math.atan2(u, v) if corrected else math.atan(u / v))
                    bins[int((angle + 180) // 90)].append(math.hypot(u, v) - math.hypot(*map(float, after[y, x])))
            fullest = sorted(max(bins.values(), key=len), reverse=True)
            top = fullest[: max(len(fullest) // 3, 1)]
            means.append(sum(top) / len(top))
    means.sort(reverse=True)
    return sum(means[: len(means) // 3]) / (len(means) // 3)


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("size", [(12, 18), (31, 40)])
def test_the_feature_of_a_frame_is_that_of_the_definition(size: tuple[int, int], corrected: bool) -> None:
    generator = np.random.default_rng(size[0])
    # Most of each picture moves one way, so that no two bins are equally full.
    before, after = (generator.normal((1.5, 0.7), 1, (*size, 2)).astype(np.float32) for _ in range(2))
    bins = (corrected_bins if corrected else published_bins)(before)
    assert difference(before, after, bins) == pytest.approx(slow_difference(before, after, corrected), abs=1e-4)


def test_the_published_angle_fills_two_bins_and_the_corrected_one_four() -> None:
    flow = np.random.default_rng(0).normal(size=(50, 50, 2)).astype(np.float32)
    assert set(np.unique(published_bins(flow))) == {1, 2}
    assert set(np.unique(corrected_bins(flow))) == {0, 1, 2, 3}
    assert np.array_equal(published_bins(flow), published_bins(-flow)), "there and back is one direction"


def test_frames_are_the_published_ones_at_the_published_rates() -> None:
    def told(fps: float) -> list[int]:
        return [round(seconds * fps) for seconds in (*K.values(), *LENGTH)]

    assert told(30) == [12, 39, 7, 16]
    assert told(200) == [80, 260, 47, 105]


def test_the_curve_is_the_frames_feature_less_the_mean_of_those_k_less_one_before_and_after() -> None:
    length, k = 20, 3
    movement = np.random.default_rng(1).uniform(0, 4, length)

    def flow(one: Array, other: Array) -> Array:
        # From picture s to t all pixels move by the same: so F_t is the difference of two lengths.
        return np.full((12, 12, 2), movement[other[0, 0]] - movement[one[0, 0]] + 10, np.float32)

    def grey(t: int) -> Array:
        return np.full((12, 12), t, np.uint8)

    single = {t: math.sqrt(2) * (movement[t] - movement[t + k]) for t in range(k, length - k)}
    found = curve(length, grey, k, flow, "published")
    for t in range(length):
        whole = all(at in single for at in (t - k + 1, t, t + k - 1))
        expected = single[t] - (single[t - k + 1] + single[t + k - 1]) / 2 if whole else math.nan
        assert found[t] == pytest.approx(expected, abs=1e-4, nan_ok=True)


@pytest.mark.parametrize(("k", "frames", "halved"), [(12, 47, 12), (12, 46, 6), (39, 100, 19), (39, 3, 1), (12, 7, 1)])
def test_k_is_halved_until_the_clip_is_long_enough(k: int, frames: int, halved: int) -> None:
    assert fitting(k, frames) == halved


def test_runs_are_over_the_threshold_and_kept_where_they_last_as_long_as_their_type() -> None:
    values = np.full(100, np.nan, np.float32)
    values[10:90] = 0.0
    values[20:27] = values[40:57] = 1.0  # of 7 and 17 frames
    values[70] = 8.0
    assert runs(values, 0.01) == [(20, 26), (40, 56), (70, 70)]
    assert runs(values, 0.5) == [(70, 70)]
    assert lasting(runs(values, 0.01), "micro", 30) == [(20, 26)]
    assert lasting(runs(values, 0.01), "macro", 30) == [(40, 56)]
    assert runs(np.full(5, np.nan, np.float32), 0.01) == runs(np.zeros(5, np.float32), 0.01) == []


@pytest.mark.parametrize("algorithm", ["rlof", "dis", "farneback"])
def test_each_flow_follows_a_shift_of_two_pixels(algorithm: str) -> None:
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (18, 18)).astype(np.float64)
    smooth = np.kron(coarse, np.ones((6, 6)))
    for _ in range(3):
        smooth = (np.roll(smooth, 1, 0) + np.roll(smooth, -1, 0) + np.roll(smooth, 1, 1) + np.roll(smooth, -1, 1)) / 4
    one = smooth.astype(np.uint8)
    flow = named(algorithm)(one, np.roll(one, 2, axis=1))
    inner = np.median(flow[30:-30, 30:-30].reshape(-1, 2), axis=0)
    assert inner == pytest.approx([2, 0], abs=0.4)


@pytest.mark.parametrize("size", [(SMALLEST, SMALLEST), (64, 53)])
def test_small_flat_pictures_do_not_move(size: tuple[int, int]) -> None:
    flat = np.full(size, 255, np.uint8)
    assert abs(named("rlof")(flat, flat)).max() < 1e-3


def film(at: int, frames: int = 120) -> bench.Clip:
    """A textured square in which a patch moves down around frame ``at`` and back."""
    generator = np.random.default_rng(4)
    base = np.kron(generator.integers(60, 200, (16, 16)), np.ones((6, 6))).astype(np.float64)
    pictures = np.empty((frames, 96, 96, 3), np.uint8)
    y, x = np.mgrid[:96, :96]
    for frame in range(frames):
        way = 4 * max(0.0, 1 - abs(frame - at) / 6)
        near = np.exp(-((y - 48) ** 2 + (x - 48) ** 2) / 500)
        moved = np.clip(np.rint(y - way * near), 0, 95).astype(int)
        pictures[frame] = base[moved, x][..., None]
    return bench.Clip("key", pictures, 30.0)


def test_a_movement_there_and_back_is_found_with_its_type_and_apex() -> None:
    told = Spotter(1, "dis", "published", "none", 0.3, "surprise").spot(film(at=60))
    assert told is not None
    onset, apex, offset, emotion, type = max(told["intervals"], key=lambda one: told["curves"][one[4]][one[1]])
    assert (emotion, type) == ("surprise", "micro")
    assert abs(apex - 60) <= 2 and 52 <= onset < 60 < offset <= 68
    assert set(told["curves"]) == {"micro", "macro"}
    assert all(one.shape == (120,) and one.dtype == np.float32 for one in told["curves"].values())


def test_a_clip_too_small_or_too_short_is_a_failure() -> None:
    spotter = Spotter(1, "dis", "published", "dlib", 0.01, "")
    assert spotter.spot(bench.Clip("key", np.zeros((30, SMALLEST - 1, 90, 3), np.uint8), 30.0)) is None
    assert spotter.spot(bench.Clip("key", np.zeros((10, 90, 90, 3), np.uint8), 30.0)) is None
    assert spotter.spot(bench.Clip("key", np.zeros((11, 90, 90, 3), np.uint8), 30.0)) is not None
