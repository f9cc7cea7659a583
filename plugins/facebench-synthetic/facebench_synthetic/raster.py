"""Triangles to pixels with a depth buffer, in whole numbers throughout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facebench_synthetic.field import Integers

SUBPIXEL = 256  # vertices lie on a grid of 1/256 pixel
SAMPLES = 2  # samples a pixel and direction
STEP = SUBPIXEL // SAMPLES
_HALF = STEP // 2
_FINE = 16  # bits after the point of what a value gains a subpixel
_NUMBER = 24  # bits of a depth key that hold its triangle's number
_FAR = np.iinfo(np.int64).max

# A C library that gives large blocks straight back to the system has to fetch and clear them again for each picture, a
# quarter of the time. glibc keeps blocks of up to the largest one that it was ever handed back: so hand it one.
np.empty(16 << 20, np.uint8)


def picture(
    points: Integers, depths: Integers, colours: Integers, triangles: Integers, background: Integers
) -> NDArray[np.uint8]:
    """Draws triangles over ``background``: uint8 [size, size, 3].

    ``points`` [v, 2] are pixels times 256 (x right, y down), ``depths`` [v] grow away from the camera (below 2**22),
    ``colours`` [v, 3] and ``background`` [size, size, 3] are brightness times 256; ``triangles`` [3, t] that turn right
    on the picture face away and are left out.
    """
    side = len(background) * SAMPLES
    x, y, triangles, area = _facing(points, triangles, side * STEP)
    top = np.maximum(-((_HALF - y.min(axis=0)) // STEP), 0)
    bottom = np.minimum((y.max(axis=0) - _HALF) // STEP, side - 1)
    owner, row = _spread(top, bottom)
    left, right = _spans(x, y, top, owner, row, side)
    some = np.flatnonzero(right >= left)
    owner, row, left, right = owner.take(some), row.take(some), left.take(some), right.take(some)
    start, across, down = _plane(depths, triangles, x, y, area)
    # The depth of each span's first sample, from which the others follow in equal steps.
    first = start.take(owner) + across.take(owner) * (left * STEP) + down.take(owner) * (row * STEP)
    span, column = _spread(left, right)
    depth = first.take(span) + (across * STEP).take(owner).take(span) * (column - left.take(span))
    nearest = np.full(side * side, _FAR)
    np.minimum.at(nearest, (row * side).take(span) + column, depth >> _FINE << _NUMBER | owner.take(span))
    seen = np.flatnonzero(nearest != _FAR)
    owner = nearest.take(seen) & ((1 << _NUMBER) - 1)
    row = seen // side
    column, row = (seen - row * side) * STEP, row * STEP
    layers = []
    for channel in range(3):
        start, across, down = _plane(colours[:, channel], triangles, x, y, area)
        layer = np.repeat(np.repeat(background[..., channel], SAMPLES, axis=0), SAMPLES, axis=1)
        layer.reshape(-1)[seen] = start.take(owner) + across.take(owner) * column + down.take(owner) * row >> _FINE
        box = layer[0::2, 0::2] + layer[0::2, 1::2] + layer[1::2, 0::2] + layer[1::2, 1::2]
        layers.append(np.clip(box + 512 >> 10, 0, 255).astype(np.uint8))
    return np.stack(layers, axis=-1)


def _facing(points: Integers, triangles: Integers, extent: int) -> tuple[Integers, Integers, Integers, Integers]:
    """Corners [3, t], numbers [3, t] and twice the area [t] of the triangles that face the camera and are in view."""
    x, y = points[:, 0].take(triangles), points[:, 1].take(triangles)
    area = (x[2] - x[0]) * (y[1] - y[0]) - (x[1] - x[0]) * (y[2] - y[0])
    inside = (x.max(axis=0) >= 0) & (x.min(axis=0) < extent) & (y.max(axis=0) >= 0) & (y.min(axis=0) < extent)
    on = np.flatnonzero((area > 0) & inside)
    return x.take(on, 1), y.take(on, 1), triangles.take(on, 1), area.take(on)


def _spread(first: Integers, last: Integers) -> tuple[Integers, Integers]:
    """Each range's number and each of its whole numbers from ``first`` to ``last``, one after another."""
    lengths = np.maximum(last - first + 1, 0)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    starts = np.cumsum(lengths) - lengths
    return owner, np.arange(len(owner)) + (first - starts).take(owner)


def _spans(
    x: Integers, y: Integers, top: Integers, owner: Integers, row: Integers, side: int
) -> tuple[Integers, Integers]:
    """The first and last sample of each triangle's row that lie inside it or on its edge."""
    begin, end = x.min(axis=0) // STEP, x.max(axis=0) // STEP
    extent = int(max((end - begin).max(initial=0), (y.max(axis=0) - y.min(axis=0)).max(initial=0) // STEP)) + 2
    # Seen from each triangle's own corner the numbers are small, and half as wide ones are computed twice as fast.
    kind = np.int32 if 4 * (extent * STEP) ** 2 < 2**31 else np.int64
    line = (row - top.take(owner)).astype(kind)
    left, right = np.zeros_like(line), (end - begin).astype(kind).take(owner)
    for start, stop in ((0, 1), (1, 2), (2, 0)):
        rise, run = y[stop] - y[start], x[stop] - x[start]
        # Inside where rise * STEP * column + rest >= 0; a level edge bounds no row, for it is the first or the last.
        rest = (_HALF + begin * STEP - x[start]) * rise - (_HALF + top * STEP - y[start]) * run
        rest = rest.astype(kind).take(owner) - line * (run * STEP).astype(kind).take(owner)
        share = rest // np.maximum(abs(rise) * STEP, 1).astype(kind).take(owner)
        np.maximum(left, np.where((rise > 0).take(owner), -share, 0), out=left)
        np.minimum(right, np.where((rise < 0).take(owner), share, extent), out=right)
    begin = begin.take(owner)
    return np.maximum(left + begin, 0), np.minimum(right + begin, side - 1)


def _plane(
    values: Integers, triangles: Integers, x: Integers, y: Integers, area: Integers
) -> tuple[Integers, Integers, Integers]:
    """A value at the picture's first sample and what it gains a subpixel across and down, with ``_FINE`` bits."""
    corner = values.take(triangles)
    one, two = corner[1] - corner[0], corner[2] - corner[0]
    across = (two * (y[1] - y[0]) - one * (y[2] - y[0]) << _FINE) // area
    down = (one * (x[2] - x[0]) - two * (x[1] - x[0]) << _FINE) // area
    start = (corner[0] << _FINE) + across * (_HALF - x[0]) + down * (_HALF - y[0])
    return start, across, down
