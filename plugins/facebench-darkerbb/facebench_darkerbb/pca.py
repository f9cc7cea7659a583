"""Principal components of faces by randomised low-rank PCA (Halko, Martinsson and Tropp 2011)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy import float32, float64, uint8
from numpy.typing import NDArray

AT_ONCE = 256  # faces whose pixels are floats at one time


@dataclass(frozen=True, slots=True)
class Components:
    """Of images in [-1, 1]: ``mean`` float32 [D]; ``axes`` float32 [k, D], orthonormal; ``std`` float32 [k].

    ``explained``: the part of the faces' variance in the first 1, 2, ... k of them, float64 [k].
    """

    mean: NDArray[float32]
    axes: NDArray[float32]
    std: NDArray[float32]
    explained: NDArray[float64]

    def coordinates(self, faces: NDArray[uint8]) -> NDArray[float32]:
        """Whitened coordinates float32 [n, k] of faces uint8 [n, h, w, 3]."""
        parts = [(part - self.mean) @ self.axes.T / self.std for part in _floats(faces, mirror=False)]
        return np.concatenate(parts)


def components(faces: NDArray[uint8], size: int, power: int = 2, mirror: bool = True, seed: int = 0) -> Components:
    """The ``size`` largest, by ``power`` power iterations; faces are uint8 [n, h, w, 3].

    ``mirror``: mirror images count as faces too. Raises ValueError where the faces do not allow so many.
    """
    count = len(faces) * (2 if mirror else 1)
    if not 1 <= size < count or size > faces[0].size:
        raise ValueError(f"{size} components were asked for; {count} faces allow 1 to {min(count - 1, faces[0].size)}")
    rows = _Centred(faces, mirror)
    # A few more than are wanted, so that the last of those are right as well.
    wide = min(size + max(10, size // 10), count, faces[0].size)
    draw = np.random.Generator(np.random.PCG64([seed]))
    span = np.linalg.qr(rows.times(draw.standard_normal((faces[0].size, wide), float32)))[0]
    for _ in range(power):
        span = np.linalg.qr(rows.times(np.linalg.qr(rows.transposed_times(span))[0]))[0]
    axes, values, _ = np.linalg.svd(rows.transposed_times(span), full_matrices=False)
    axes = np.ascontiguousarray(axes[:, :size].T)
    if values[size - 1] <= values[0] * 1e-6:
        raise ValueError(f"the faces differ in fewer than {size} directions; ask for fewer components")
    axes *= np.sign(axes[np.arange(size), np.abs(axes).argmax(axis=1)])[:, None]
    variance = values[:size].astype(float64) ** 2
    return Components(
        rows.mean, axes, np.sqrt(variance / (count - 1)).astype(float32), variance.cumsum() / rows.squares
    )


class _Centred:
    """The matrix of centred faces [n, D], never whole in memory as floats; ``squares``: the sum of its squares."""

    def __init__(self, faces: NDArray[uint8], mirror: bool) -> None:
        self.faces, self.mirror, self.mean = faces, mirror, np.zeros(faces[0].size, float32)
        total = np.sum([part.sum(axis=0, dtype=float64) for part in self._parts()], axis=0)
        self.mean = (total / (len(faces) * (2 if mirror else 1))).astype(float32)
        self.squares = sum(float(np.square(part, dtype=float64).sum()) for part in self._parts())

    def times(self, right: NDArray[float32]) -> NDArray[float32]:
        return np.concatenate([part @ right for part in self._parts()])

    def transposed_times(self, left: NDArray[float32]) -> NDArray[float32]:
        found, at = np.zeros((len(self.mean), left.shape[1]), float32), 0
        for part in self._parts():
            found += part.T @ left[at : at + len(part)]
            at += len(part)
        return found

    def _parts(self) -> Iterator[NDArray[float32]]:
        return (part - self.mean for part in _floats(self.faces, self.mirror))


def _floats(faces: NDArray[uint8], mirror: bool) -> Iterator[NDArray[float32]]:
    """Faces as float32 [some, D] in [-1, 1]."""
    for start in range(0, len(faces), AT_ONCE):
        part = faces[start : start + AT_ONCE]
        for view in (part, part[:, :, ::-1]) if mirror else (part,):
            yield view.reshape(len(view), -1).astype(float32) / float32(127.5) - 1
