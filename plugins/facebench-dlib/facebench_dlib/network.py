"""dlib's ResNet: a chip of 150x150 to 128 numbers, compared by Euclidean distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray

import bench
from bench.alignment import ALIGNED, TEMPLATE
from bench.alignment import SIDE as CROP
from facebench_dlib.faces import Finder, weights
from facebench_dlib.geometry import PADDING, SIDE, TEMPLATE_IN_FRAME, in_chip

NETWORK_FILE = "dlib_face_recognition_resnet_model_v1.dat"
WIDTH = 128


class ResNet:
    """An Embedder: on raw pictures the face is found first; in aligned crops its place is known.

    ``finder`` is None where the pictures are aligned crops; ``moves`` are the jitters, none for the chip alone.
    """

    def __init__(self, network: Any, finder: Finder | None, moves: Sequence[Move] = ()) -> None:
        self.network, self.finder, self.moves = network, finder, moves

    @classmethod
    def load(cls, given: bench.Load) -> ResNet:
        """Read the network, and the shape predictor for raw pictures; raises ValueError where they are absent."""
        network = dlib.face_recognition_model_v1(weights(given, NETWORK_FILE))
        finder = None if given.inputs == ALIGNED else Finder.load(given)
        return cls(network, finder, moves(int(given.options.get("jitter", 0)), given.seed))

    def embed(self, faces: Sequence[bench.Face]) -> NDArray[np.float32]:
        """float32 [n, 128] of uint8 RGB pictures; a row of NaN where no face was found."""
        rows = np.full((len(faces), WIDTH), np.nan, np.float32)
        chips = [self._chip(face) for face in faces]
        for row, chip in zip(rows, chips, strict=True):
            if chip is not None:
                views = [move.of(chip) for move in self.moves] or [chip]
                row[:] = np.mean(self.network.compute_face_descriptor(views), axis=0)
        return rows

    def _chip(self, face: bench.Face) -> Any:
        pixels = np.ascontiguousarray(face.pixels)
        if self.finder is None:
            return aligned_chip(pixels)
        shape = self.finder.find(pixels)
        return None if shape is None else dlib.get_face_chip(pixels, shape, SIDE, PADDING)


def aligned_chip(pixels: NDArray[np.uint8]) -> Any:
    """The chip of a 112x112 crop, from the template alone; raises ValueError for a picture of another size."""
    if pixels.shape != (CROP, CROP, 3):
        found = "x".join(map(str, pixels.shape))
        raise ValueError(f"dlib-resnet takes aligned faces of {CROP}x{CROP}x3, one is {found}")
    return dlib.extract_image_chip(pixels, PLACE)


def _points(rows: Any) -> Any:
    return dlib.dpoints([dlib.dpoint(float(x), float(y)) for x, y in rows])


PLACE = dlib.chip_details(_points(in_chip(TEMPLATE_IN_FRAME)), _points(TEMPLATE), dlib.chip_dims(SIDE, SIDE))


class Move:
    """A chip cut out of a chip, a little moved, turned and enlarged, and mirrored half of the time."""

    def __init__(self, draw: np.random.Generator) -> None:
        side = SIDE - 6  # dlib leaves out a border of 3
        across, down = np.rint(draw.uniform(-0.02, 0.02, 2) * side).astype(int).tolist()
        box = int(side / draw.uniform(0.97, 0.99999))
        left, top = SIDE // 2 + across - box // 2, SIDE // 2 + down - box // 2
        rect = dlib.rectangle(left, top, left + box - 1, top + box - 1)
        self.place = dlib.chip_details(rect, dlib.chip_dims(SIDE, SIDE), float(np.deg2rad(draw.uniform(-3, 3))))
        self.mirrored = bool(draw.random() > 0.5)

    def of(self, chip: Any) -> Any:
        """The moved chip."""
        moved = dlib.extract_image_chip(chip, self.place)
        return np.ascontiguousarray(moved[:, ::-1]) if self.mirrored else moved


def moves(count: int, seed: int) -> list[Move]:
    """The jitters of a run, in the ranges of dlib's jitter_image; the same for every face, which dlib's own are not.

    dlib draws on from one face to the next, so that a face's numbers hang on the order of the faces.
    """
    draw = np.random.default_rng(seed)
    return [Move(draw) for _ in range(count)]
