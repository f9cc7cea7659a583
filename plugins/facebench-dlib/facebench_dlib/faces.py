"""Which face a picture is of, as dlib finds it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray

import bench
from facebench_dlib.geometry import landmarks

POINTS_FILE = "shape_predictor_5_face_landmarks.dat"
UPSAMPLE = 1  # as in the author's face_recognition.py


def weights(given: bench.Load, file: str) -> str:
    """The path of a weight file; raises ValueError where none came or the device is not the CPU."""
    if given.weights is None:
        raise ValueError(f"dlib was loaded without weights; it needs the folder with {file}")
    if given.device != "cpu":
        raise ValueError(f"dlib runs here on the device cpu; {given.device} was given")
    return str(Path(given.weights) / file)


class Finder:
    """An Aligner: the HOG face detector, then the 5-point shape predictor.

    A picture is of one person. Where several faces are found, it is the one whose middle is nearest to the picture's,
    and of two as near the larger one.
    """

    def __init__(self, predictor: Any, upsample: int = UPSAMPLE) -> None:
        self.detector, self.predictor, self.upsample = dlib.get_frontal_face_detector(), predictor, upsample

    @classmethod
    def load(cls, given: bench.Load) -> Finder:
        """Read the shape predictor; raises ValueError where it is absent."""
        predictor = dlib.shape_predictor(weights(given, POINTS_FILE))
        return cls(predictor, int(given.options.get("upsample", UPSAMPLE)))

    def landmarks(self, faces: Sequence[bench.Face]) -> NDArray[np.float32]:
        """float32 [n, 5, 2], (x, y) in pixels, of uint8 RGB pictures; NaN where no face was found."""
        rows = np.full((len(faces), 5, 2), np.nan, np.float32)
        for row, face in zip(rows, faces, strict=True):
            if shape := self.find(np.ascontiguousarray(face.pixels)):
                row[:] = landmarks([(part.x, part.y) for part in shape.parts()])
        return rows

    def find(self, pixels: NDArray[np.uint8]) -> Any:
        """dlib's full_object_detection of five points, or None where no face was found."""
        height, width = pixels.shape[:2]

        def order(box: Any) -> tuple[int, int]:
            across, down = box.left() + box.right() - (width - 1), box.top() + box.bottom() - (height - 1)
            return across**2 + down**2, -box.area()

        boxes = self.detector(pixels, self.upsample)
        return self.predictor(pixels, min(boxes, key=order)) if boxes else None
