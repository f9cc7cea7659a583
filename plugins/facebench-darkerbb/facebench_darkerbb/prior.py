"""A linear prior over faces: a mean face and directions scaled so that a natural face has coordinates N(0, I)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy import float32
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

SIDE = 112
FILE = "model.safetensors"
# Rows of one matrix product, always: the last bits of a row then do not depend on how many others are asked for.
ROWS = 8


class Prior:
    """Coordinates to images: x(c) = mean + c @ basis, RGB nominally in [0, 1], not clipped.

    ``mean``: float32 [D]; ``basis``: float32 [k, D], each row a principal direction times its standard deviation
    (2506.09777, the denormalised basis), pixels in the order height, width, channel; D = 37,632.
    ``faces``: float32 [n, k], the coordinates of the faces it was fitted on, or None where the file holds none.
    """

    def __init__(self, mean: NDArray[float32], basis: NDArray[float32], faces: NDArray[float32] | None = None) -> None:
        self.mean, self.basis, self.faces = mean, basis, faces

    @property
    def size(self) -> int:
        """How many coordinates a face has."""
        return len(self.basis)

    @property
    def side(self) -> int:
        """Height and width of its images."""
        return math.isqrt(len(self.mean) // 3)

    @classmethod
    def read(cls, folder: Path) -> Prior:
        """From ``model.safetensors``: mean [3, 112, 112], components [k, 3, 112, 112], orthonormal, and std [k].

        The file is of images in [-1, 1], so mean and deviations are halved on the way to [0, 1]. Raises ValueError
        saying which tensor is absent, misshapen or not finite.
        """
        file = folder / FILE
        try:
            tensors = load_file(file)
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{file} cannot be read as safetensors: {error}") from None
        components = _tensor(tensors, "components", (-1, 3, SIDE, SIDE), file)
        mean = _tensor(tensors, "mean", (3, SIDE, SIDE), file)
        std = _tensor(tensors, "std", (len(components),), file)
        faces = _tensor(tensors, "coefficients", (-1, len(components)), file) if "coefficients" in tensors else None
        basis = components.transpose(0, 2, 3, 1).reshape(len(components), -1) * (std[:, None] / 2)
        return cls(
            mean.transpose(1, 2, 0).reshape(-1) * float32(0.5) + float32(0.5), np.ascontiguousarray(basis), faces
        )

    def offsets(self, coordinates: NDArray[Any]) -> NDArray[float32]:
        """Coordinates [n, k] to image offsets float32 [n, D]: coordinates @ basis.

        A row does not depend, to the last bit, on the others.
        """
        count = len(coordinates)
        padded = np.zeros((-(-count // ROWS) * ROWS, self.size), float32)
        padded[:count] = coordinates
        out = np.empty((len(padded), self.basis.shape[1]), float32)
        for start in range(0, count, ROWS):
            np.matmul(padded[start : start + ROWS], self.basis, out=out[start : start + ROWS])
        return out[:count]

    def decode(self, coordinates: NDArray[Any]) -> NDArray[float32]:
        """Coordinates [n, k] to pixels float32 [n, D], not clipped."""
        return self.offsets(coordinates) + self.mean

    def images(self, pixels: NDArray[float32]) -> NDArray[float32]:
        """Pixels [n, D] as float32 [n, side, side, 3]."""
        return pixels.reshape(len(pixels), self.side, self.side, 3)


def _tensor(tensors: dict[str, NDArray[Any]], name: str, shape: tuple[int, ...], file: Path) -> NDArray[float32]:
    found = tensors.get(name)
    if found is None:
        raise ValueError(f"{file} has no tensor {name!r}; it has {', '.join(sorted(tensors)) or 'none'}")
    same = len(found.shape) == len(shape) and all(w in (-1, s) for w, s in zip(shape, found.shape, strict=True))
    if not same or not len(found):
        raise ValueError(f"{file}: {name} is {list(found.shape)}, expected {['n' if w < 0 else w for w in shape]}")
    if not np.isfinite(found).all():
        raise ValueError(f"{file}: {name} holds numbers that are not finite")
    return found.astype(float32)
