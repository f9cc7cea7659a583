"""Smooth functions of place, from which every shape, movement and colour of a head is made.

Only ``+ - * /``, square roots, comparisons and integer arithmetic are used, here and in the rest of the package.
IEEE 754 prescribes each of their bits, whichever vector unit carries them out, and NumPy's elementwise loops hold one
operation each, so nothing can be fused or reordered.  ``exp``, ``sin``, ``pow``, matrix products and float sums have
no such promise.  So no rounding is ever in doubt, and a seed gives the same bytes on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Whole: TypeAlias = NDArray[np.uint32]
Booleans: TypeAlias = NDArray[np.bool_]
PI = 3.141592653589793


def smooth(share: Floats) -> Floats:
    """A step from 0 (at ``share`` <= 0) to 1 (at ``share`` >= 1) without corners: any shape."""
    share = np.clip(share, 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def bump(x: Floats, y: Floats, centre: tuple[float, float], radii: tuple[float, float]) -> Floats:
    """A round hill of height 1 at ``centre`` that ends at ``radii``; all in mm."""
    across, up = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    inside = np.maximum(1.0 - across * across - up * up, 0.0)
    return inside * inside


def curve(x: Floats, knots: Sequence[tuple[float, float]]) -> Floats:
    """A smooth curve through ``knots`` (place, value), in rising order of place; constant beyond the ends."""
    places, values = np.array(knots, np.float64).T
    slopes = np.zeros(len(knots))
    slopes[1:-1] = (values[2:] - values[:-2]) / (places[2:] - places[:-2])
    x = np.clip(x, places[0], places[-1])
    left = np.clip(np.searchsorted(places, x, side="right") - 1, 0, len(knots) - 2)
    width = places[left + 1] - places[left]
    t = (x - places[left]) / width
    start, end = values[left], values[left + 1]
    bend = width * t * (1.0 - t) * ((1.0 - t) * slopes[left] - t * slopes[left + 1])
    joined: Floats = start + smooth(t) * (end - start) + bend
    return joined


def sine(radians: float) -> float:
    """The sine of an angle of -2 pi to 2 pi, by a series whose bits are the same everywhere."""
    return _series(radians, radians, 1)


def cosine(radians: float) -> float:
    """The cosine of an angle of -2 pi to 2 pi, by a series whose bits are the same everywhere."""
    return _series(1.0, radians, 0)


def _series(first: float, radians: float, order: int) -> float:
    total = term = first
    for step in range(order + 2, order + 44, 2):
        term = -term * radians * radians / (step * (step - 1))
        total += term
    return total


def noise(x: Floats, y: Floats, pattern: int) -> Floats:
    """Random values at whole-numbered places, joined smoothly: 0 to 1; ``pattern`` picks one of many."""
    left, below = np.floor(x), np.floor(y)
    across, up = smooth(x - left), smooth(y - below)
    column, row = left.astype(np.int64).astype(np.uint32), below.astype(np.int64).astype(np.uint32)
    one = np.uint32(1)
    lower = _lattice(column, row, pattern) * (1.0 - across) + _lattice(column + one, row, pattern) * across
    upper = _lattice(column, row + one, pattern) * (1.0 - across) + _lattice(column + one, row + one, pattern) * across
    return lower * (1.0 - up) + upper * up


def _lattice(column: Whole, row: Whole, pattern: int) -> Floats:
    # Whole numbers of 32 bits wrap around alike everywhere.
    mixed = column * np.uint32(73856093) ^ row * np.uint32(19349663) ^ np.uint32(pattern * 83492791 & 0xFFFFFFFF)
    mixed = (mixed ^ mixed >> np.uint32(13)) * np.uint32(1274126177)
    return (mixed >> np.uint32(16)).astype(np.float64) * (1.0 / 65535.0)


class Draws:
    """Numbers drawn from SHA-256 of a text and a counter: the same for ever, whatever NumPy's generators become."""

    def __init__(self, text: str) -> None:
        self._text, self._drawn = text, 0

    def whole(self, count: int) -> int:
        """A whole number of 0 to ``count`` - 1; ``count`` is at most 2**32."""
        self._drawn += 1
        digest = hashlib.sha256(f"{self._text}/{self._drawn}".encode()).digest()
        return int.from_bytes(digest[:8], "big") * count >> 64

    def between(self, low: float, high: float) -> float:
        """A number of ``low`` to ``high``, every one of 65 536 steps as likely."""
        return low + (high - low) * self.whole(65536) / 65535.0

    def bell(self) -> float:
        """A bell-shaped number with a mean of 0 and a deviation of 1, cut off at -3 and 3: a sum of six flat ones."""
        total = sum(self.whole(65536) for _ in range(6)) / 65535.0
        return min(max((total - 3.0) * 1.4142135623730951, -3.0), 3.0)
