"""MDMD as a spotter: a curve for micro- and one for macro-expressions, a threshold each, and limits of length."""

from __future__ import annotations

from typing import Any

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

import bench
from facebench_flow_spotter.feature import curve
from facebench_flow_spotter.flow import SMALLEST, Grey, named

# Seconds that give the published numbers of frames at 30 a second (CAS(ME)^2: k of 12 and 39, micro-expressions of 7 to
# 16 frames) and at 200 (SAMM Long Videos: 80 and 260, 47 to 105).
K = {"micro": 0.4, "macro": 1.3}
LENGTH = (0.235, 0.525)  # of micro-expressions; what is longer is a macro-expression
SHORTEST = 2  # of 1 the feature is 0 throughout


class Spotter:
    """Finds where movement in a block's main direction goes and comes back."""

    def __init__(self, threads: int, flow: str, angle: str, crop: str, p: float, emotion: str) -> None:
        cv2.setNumThreads(threads)
        self._flow, self._angle, self._p, self._emotion = named(flow), angle, p, emotion
        self._finder = dlib.get_frontal_face_detector() if crop == "dlib" else None  # type: ignore[attr-defined]

    def spot(self, clip: bench.Clip) -> dict[str, Any] | None:
        """Intervals of both types, and the curves they were cut from; None of a clip too small or short for any."""
        frames = clip.frames
        place = self._place(frames[0])

        def grey(t: int) -> Grey:
            found: Any = cv2.cvtColor(np.ascontiguousarray(frames[t][place]), cv2.COLOR_RGB2GRAY)
            return found  # type: ignore[no-any-return]

        if min(grey(0).shape) < SMALLEST:
            return None
        intervals, curves = [], {}
        for type in K:
            k = fitting(round(K[type] * clip.fps), len(frames))
            if k < SHORTEST:
                return None
            curves[type] = curve(len(frames), grey, k, self._flow, self._angle)
            for onset, offset in lasting(runs(curves[type], self._p), type, clip.fps):
                apex = onset + int(np.argmax(curves[type][onset : offset + 1]))
                intervals.append([onset, apex, offset, self._emotion, type])
        return {"intervals": intervals, "curves": curves}

    def _place(self, frame: NDArray[np.uint8]) -> tuple[slice, slice]:
        """Rows and columns of the largest face, or of all where none is found."""
        height, width = frame.shape[:2]
        found = list(self._finder(np.ascontiguousarray(frame), 1)) if self._finder else []
        if not found:
            return slice(0, height), slice(0, width)
        face = max(found, key=lambda box: (box.area(), -box.top(), -box.left()))
        rows = slice(max(face.top(), 0), min(face.bottom() + 1, height))
        return rows, slice(max(face.left(), 0), min(face.right() + 1, width))


def fitting(k: int, frames: int) -> int:
    """``k``, halved until the curve of a clip of so many frames has a number for some frame; at least 1."""
    while k > 1 and frames < 4 * k - 1:
        k //= 2
    return k


def runs(values: NDArray[np.float32], p: float) -> list[tuple[int, int]]:
    """First and last frames of the runs over mean + p (largest - mean), frames without a number apart."""
    there = np.isfinite(values)
    if not there.any():
        return []
    mean = float(values[there].mean(dtype=np.float64))
    over = there & (np.where(there, values, -np.inf) > mean + p * (float(values[there].max()) - mean))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], over, [False]]).astype(np.int8)))
    return [(int(first), int(last) - 1) for first, last in edges.reshape(-1, 2)]


def lasting(found: list[tuple[int, int]], type: str, fps: float) -> list[tuple[int, int]]:
    """Those of the length of a type: the published limits in frames, both ends counted."""
    least, most = (round(seconds * fps) for seconds in LENGTH)
    lengths = range(least, most + 1) if type == "micro" else range(most + 1, 1 << 31)
    return [one for one in found if one[1] - one[0] + 1 in lengths]
