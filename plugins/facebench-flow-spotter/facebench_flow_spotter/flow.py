"""Dense optical flow between two grey pictures, by one of three algorithms of OpenCV."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Flow = Callable[[Grey, Grey], NDArray[np.float32]]  # float32 [height, width, 2]: pixels right, pixels down
SMALLEST = 48  # pixels a side: of smaller pictures RLOF has too few points to go by
GRID, NEAREST = 6, 128  # OpenCV's: pixels between two points that RLOF follows, and points that a pixel's flow is from


def named(algorithm: str) -> Flow:
    """The flow of a name: ``rlof`` and ``dis`` with OpenCV's settings, ``farneback`` with those of the field's code."""
    return {"rlof": _rlof, "dis": _dis(), "farneback": _farneback}[algorithm]


def _rlof(one: Grey, other: Grey) -> NDArray[np.float32]:
    # It takes three channels; here they are alike. Where OpenCV has fewer points than are to be interpolated from it
    # reads past their end, so in a small picture it may not ask for all of its usual ones.
    pair = (cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR) for grey in (one, other))
    points = (one.shape[0] // GRID) * (one.shape[1] // GRID)
    nearest = min(NEAREST, points // 3)
    found: Any = cv2.optflow.calcOpticalFlowDenseRLOF(*pair, None, epicK=nearest)  # type: ignore[attr-defined]
    return found  # type: ignore[no-any-return]


def _dis() -> Flow:
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def flow(one: Grey, other: Grey) -> NDArray[np.float32]:
        found: Any = finder.calc(one, other, None)  # type: ignore[call-overload]
        return found  # type: ignore[no-any-return]

    return flow


def _farneback(one: Grey, other: Grey) -> NDArray[np.float32]:
    found: Any = cv2.calcOpticalFlowFarneback(one, other, None, 0.5, 3, 15, 5, 7, 1.5, 0)  # type: ignore[call-overload]
    return found  # type: ignore[no-any-return]
