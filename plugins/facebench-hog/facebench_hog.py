"""Histograms of oriented gradients over a whole aligned face (Dalal and Triggs 2005), compared by cosine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import bench

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

BINS, CELL, BLOCK, CLIP = 9, 8, 2, 0.2


@bench.hookimpl
def facebench_methods() -> list[bench.Method]:
    """The one method of this plugin."""
    return [
        bench.Method(
            name="hog",
            tasks=frozenset({"verification", "identification"}),
            inputs=frozenset({"arcface-112"}),
            load=load,
            about="histograms of oriented gradients, 6,084 numbers a face",
            licence="Apache-2.0",
            cite="Dalal and Triggs, Histograms of Oriented Gradients for Human Detection, CVPR 2005",
            similarity="cosine",
            needs=("numpy",),
        )
    ]


class Hog:
    """Cells of 8x8 pixels, nine unsigned orientations, blocks of 2x2 cells normalised by L2-Hys."""

    def embed(self, faces: Sequence[bench.Face]) -> NDArray[float32]:
        """float32 [n, 6084] for faces of 112x112 pixels."""
        import numpy as np

        return np.stack([describe(face.pixels) for face in faces]).astype(np.float32)


def describe(pixels: NDArray[Any]) -> NDArray[Any]:
    """The descriptor of one picture, uint8 [height, width, 3]: float64 [blocks * 36]."""
    import numpy as np

    # Of each pixel the colour channel with the longest gradient.
    colour = np.sqrt(pixels.astype(np.float64))  # root gamma, as in the paper
    padded = np.pad(colour, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across, down = padded[1:-1, 2:] - padded[1:-1, :-2], padded[2:, 1:-1] - padded[:-2, 1:-1]
    length = np.hypot(across, down)
    strongest = length.argmax(axis=2)[:, :, None]
    length, across, down = (np.take_along_axis(a, strongest, 2)[:, :, 0] for a in (length, across, down))
    return _blocks(_cells(length, np.degrees(np.arctan2(down, across)) % 180)).reshape(-1)


def _cells(length: NDArray[Any], angle: NDArray[Any]) -> NDArray[Any]:
    """Votes a cell, each pixel's length shared by the four nearest cells and the two nearest orientations."""
    import numpy as np

    height, width = length.shape
    rows, columns = height // CELL, width // CELL
    votes = np.zeros((rows + 2, columns + 2, BINS))
    y, x = np.mgrid[:height, :width]
    parts = [(y + 0.5) / CELL + 0.5, (x + 0.5) / CELL + 0.5, angle / (180 / BINS) - 0.5]
    low = [np.floor(part).astype(int) for part in parts]
    high = [part - floor for part, floor in zip(parts, low, strict=True)]
    for corner in np.ndindex(2, 2, 2):
        share = length.copy()
        for upper, part in zip(corner, high, strict=True):
            share *= part if upper else 1 - part
        place = (low[0] + corner[0], low[1] + corner[1], (low[2] + corner[2]) % BINS)
        np.add.at(votes, place, share)
    return votes[1:-1, 1:-1]


def _blocks(votes: NDArray[Any]) -> NDArray[Any]:
    """Every block of 2x2 cells, normalised, clipped at 0.2 and normalised again (L2-Hys)."""
    import numpy as np

    windows = np.lib.stride_tricks.sliding_window_view(votes, (BLOCK, BLOCK), axis=(0, 1))
    block = windows.reshape(*windows.shape[:2], -1)
    for most in (CLIP, np.inf):
        block = np.minimum(block / np.sqrt((block**2).sum(axis=2, keepdims=True) + 1e-6), most)
    return block


def load(given: bench.Load) -> Hog:
    """Make it."""
    return Hog()
