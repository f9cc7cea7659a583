"""Faces cut out to the ArcFace template: five landmarks, a similarity transform, bilinear sampling.

Landmarks come from an Aligner, or from a table of the data set's owner. Transform and sampling are always these, so two
aligners differ by what they found and by nothing else.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.answers import Table
from bench.batches import Batches
from bench.errors import ContractBroken, DataDamaged, DataMissing
from bench.images import Unreadable
from bench.method import Configured, Option
from bench.protocol import Sample
from bench.records import Face

if TYPE_CHECKING:
    from numpy import float64, uint8
    from numpy.typing import ArrayLike, NDArray

ALIGNED, RAW, SIDE = "arcface-112", "raw", 112
# Of a 112x112 crop, (x, y): eyes, nose tip, mouth corners (deepinsight/insightface).
TEMPLATE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
NOT_FOUND = "no face found"
AGREE = 0.05  # pixels that a landmark may move with the batch
TASK, NONE = "alignment", "none"
TABLE, TABLE_KIND = "-table", "table"  # what a table's name ends with; the kind of its origin
ALIGN = Option(
    "align",
    NONE,
    "an aligner that cuts the faces out for the method, or NAME-table for landmarks_NAME.csv of the data set",
)
_FACE_POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
COLUMNS = tuple(f"{point}_{axis}" for point in _FACE_POINTS for axis in "xy")


def inputs_of(given: str, configured: Configured) -> str:
    """What a method's images are, where a protocol's are ``given`` and an aligner may cut faces out of them.

    An aligner of raw pictures takes any others for such.
    """
    if TASK in configured.method.tasks and given not in configured.method.inputs:
        return RAW
    return given if configured.aligner is None else ALIGNED


def _check(value: Any, count: int) -> Table:
    import numpy as np

    asked = f"landmarks() was called with {count} faces."
    if not isinstance(value, np.ndarray) or value.dtype != np.float32 or value.shape != (count, 5, 2):
        found = f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
        raise ContractBroken(asked, f"It returned {found}.", f"Return a numpy array of float32 [{count}, 5, 2].")
    return {"landmarks": value.reshape(count, 10)}


def _missing(columns: Table) -> list[str]:
    import numpy as np

    return ["" if finite else NOT_FOUND for finite in np.isfinite(columns["landmarks"]).all(axis=1)]


def _empty(like: Table, count: int) -> Table:
    import numpy as np

    return {"landmarks": np.full((count, 10), np.nan, np.float32)}


def _same(one: Table, other: Table) -> bool:
    import numpy as np

    return bool(np.allclose(one["landmarks"], other["landmarks"], rtol=0, atol=AGREE, equal_nan=True))


LANDMARKS = Batches("landmarks", _check, _missing, _empty, _same, shaped=True)


def similarity(points: ArrayLike, template: ArrayLike = TEMPLATE) -> NDArray[float64]:
    """The similarity transform of least squared error from ``points`` to ``template``, float64 [2, 3].

    ``points``, ``template``: [n, 2] in pixels, two or more that are not all in one place. A face is never mirrored. NaN
    where the points have no finite transform. Umeyama, IEEE TPAMI 13(4), 1991, in the plane.
    """
    import numpy as np

    given, wanted = (np.asarray(side, np.float64) for side in (points, template))
    middle, to = given.mean(axis=0), wanted.mean(axis=0)
    # In the plane a rotation with a scale is a product of complex numbers, and the best one a quotient.
    z, w = ((side - centre) @ np.array([1, 1j]) for side, centre in ((given, middle), (wanted, to)))
    spread = float((abs(z) ** 2).sum())
    if not (math.isfinite(spread) and spread > 0):
        return np.full((2, 3), np.nan)
    turn = (z.conj() * w).sum() / spread
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, to - linear @ middle])


def crop(pixels: NDArray[uint8], landmarks: ArrayLike) -> NDArray[uint8] | None:
    """The 112x112 crop, uint8 [112, 112, 3], in which the landmarks [5, 2] lie on the template as nearly as can be.

    Bilinear; outside of the picture is black. None where the landmarks have no transform.
    """
    import numpy as np

    matrix = similarity(landmarks)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:, :2])) < 1e-9:
        return None
    back = np.linalg.inv(matrix[:, :2])
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    at = (np.stack([x, y], axis=-1) - matrix[:, 2]) @ back.T
    return _bilinear(pixels, at[..., 0], at[..., 1])


def cut_out(samples: Sequence[Sample], landmarks: NDArray[Any]) -> list[Sample]:
    """Samples of which the images are crops by their landmarks, float32 [n, 5, 2] in the same order, NaN of no face.

    Where no face was found reading one fails, and is counted.
    """
    import numpy as np

    found = np.isfinite(landmarks).all(axis=(1, 2))
    return [
        replace(
            sample,
            read=partial(_cut, sample.read, points if there else None),
            absent=sample.absent if there else NOT_FOUND,
        )
        for sample, points, there in zip(samples, landmarks, found.tolist(), strict=True)
    ]


def _cut(read: Callable[[str], Face], points: NDArray[Any] | None, key: str) -> Face:
    pixels = None if points is None else crop(read(key).pixels, points)
    if pixels is None:
        raise Unreadable(NOT_FOUND)
    return Face(key, pixels)


def _bilinear(pixels: NDArray[uint8], x: NDArray[Any], y: NDArray[Any]) -> NDArray[uint8]:
    """The picture at places between its pixels, whose middles have whole coordinates."""
    import numpy as np

    height, width = pixels.shape[:2]
    x, y = (np.clip(side, -1, size).astype(np.float64) for side, size in ((x, width), (y, height)))
    left, top = (np.minimum(np.floor(side), size - 1).astype(np.int64) for side, size in ((x, width), (y, height)))
    across, down = (x - left)[..., None], (y - top)[..., None]
    framed = np.pad(pixels, ((1, 1), (1, 1), (0, 0)))  # the black outside, one pixel of it
    rows, columns = top + 1, left + 1
    upper = framed[rows, columns] * (1 - across) + framed[rows, columns + 1] * across
    lower = framed[rows + 1, columns] * (1 - across) + framed[rows + 1, columns + 1] * across
    blended: NDArray[uint8] = np.rint(upper * (1 - down) + lower * down).astype(np.uint8)
    return blended


def read_table(path: Path, names: Iterable[str]) -> Mapping[str, tuple[float, ...]]:
    """The landmarks of each image in a table, ten numbers an image; those of no face are left out.

    The table is a CSV with a column ``file`` and, for left_eye, right_eye, nose, mouth_left and mouth_right, columns
    with _x and _y; empty cells say that no face was found. ``names`` are the images looked for, by base name. Raises
    DataMissing, and DataDamaged naming the row.
    """
    wanted = set(names)
    found: dict[str, tuple[float, ...]] = {}
    asked = f"{path} was read as a table of landmarks."
    do = f"Its columns are file, {', '.join(COLUMNS)}."
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.DictReader(file, strict=True), 2):
                name = (row.get("file") or "").rpartition("/")[2]
                if name not in wanted:
                    continue
                if name in found:
                    raise DataDamaged(asked, f"Line {number}: {name} is there twice.", do)
                cells = [row.get(column) for column in COLUMNS]
                if any(cells):
                    found[name] = tuple(float(cell) for cell in cells if cell is not None)
                    if len(found[name]) != len(COLUMNS) or not all(map(math.isfinite, found[name])):
                        raise ValueError("a cell is absent or not finite")
    except FileNotFoundError:
        raise DataMissing(asked, "It does not exist.", do) from None
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise DataDamaged(asked, f"It cannot be read: {error}.", do) from None
    except ValueError as error:
        raise DataDamaged(asked, f"Line {number}: {error}.", do) from None
    if not found:
        raise DataDamaged(asked, "It has none of the images.", do)
    return found
