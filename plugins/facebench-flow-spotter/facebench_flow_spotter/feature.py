"""MDMD's feature: how much of a movement in its main direction is taken back again, a number a frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from facebench_flow_spotter.flow import Flow, Grey

BLOCKS = 6  # a side
THIRD = 3  # of pixels, and then of blocks, the third that is largest is averaged

Floats = NDArray[np.float32]


def published_bins(flow: Floats) -> NDArray[np.int8]:
    """Which of four bins of 90 degrees atan(u / v) falls into, from -180 on: 1 or 2, the others cannot be reached."""
    return np.where(flow[..., 0] * flow[..., 1] < 0, 1, 2).astype(np.int8)


def corrected_bins(flow: Floats) -> NDArray[np.int8]:
    """Which of four bins of 90 degrees the direction of (u, v) falls into: 0 to 3."""
    return ((flow[..., 0] < 0) * 2 + (flow[..., 1] < 0)).astype(np.int8)


BINS: dict[str, Callable[[Floats], NDArray[np.int8]]] = {"published": published_bins, "corrected": corrected_bins}


def difference(before: Floats, after: Floats, bins: NDArray[np.int8]) -> float:
    """F_t of one frame: ``before`` and ``after`` are the flows from frame t-k to t and to t+k.

    In each of 6x6 blocks the pixels of the fullest bin are taken, of these the third whose flow to t is longest by the
    most than that to t+k, and their mean; of the blocks the largest third again, and their mean. What is left over at
    the right and below, up to five pixels, is not looked at.
    """
    longer = np.hypot(before[..., 0], before[..., 1]) - np.hypot(after[..., 0], after[..., 1])
    values, directions = _blocks(longer), _blocks(bins)
    counts = np.stack([(directions == bin).sum(axis=1) for bin in range(4)], axis=1)
    main = counts.argmax(axis=1)
    # Descending, the pixels of other directions last.
    ranked = -np.sort(np.where(directions == main[:, None], -values, np.inf), axis=1)
    taken = np.maximum(counts.max(axis=1) // THIRD, 1)
    inside = np.arange(ranked.shape[1]) < taken[:, None]
    means = np.where(inside, ranked, 0.0).sum(axis=1) / taken
    return float(np.sort(means)[-(len(means) // THIRD) :].mean())


def _blocks(picture: NDArray[np.generic]) -> NDArray[np.generic]:
    """[36, pixels], a row a block."""
    height, width = (side // BLOCKS for side in picture.shape)
    cut = picture[: height * BLOCKS, : width * BLOCKS].reshape(BLOCKS, height, BLOCKS, width)
    return cut.transpose(0, 2, 1, 3).reshape(BLOCKS * BLOCKS, height * width)


def curve(frames: int, grey: Callable[[int], Grey], k: int, flow: Flow, angle: str) -> Floats:
    """C_t of each frame, F_t less the mean of F_{t-k+1} and F_{t+k-1}; NaN where the clip has no such frames.

    ``grey(t)``: frame t in grey; two are held at a time, so a clip of any length takes no more memory.
    """
    single = np.full(frames, np.nan)
    for t in range(k, frames - k):
        first = grey(t - k)
        before, after = flow(first, grey(t)), flow(first, grey(t + k))
        single[t] = difference(before, after, BINS[angle](before))
    relative = np.full(frames, np.nan, np.float32)
    if frames > 2 * (k - 1):
        inner = slice(k - 1, frames - k + 1)
        relative[inner] = single[inner] - (single[: frames - 2 * (k - 1)] + single[2 * (k - 1) :]) / 2
    return relative
