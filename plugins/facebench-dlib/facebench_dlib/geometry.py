"""How dlib's chips lie to the ArcFace template: one similarity transform, from two published mean faces.

dlib's five points are the corners of the eyes and the base of the nose; ArcFace's are the middles of the eyes, the tip
of the nose and the corners of the mouth. No point of one set is a point of the other, so they cannot be exchanged.
What both have is a frame in which a mean face is known. dlib has two mean faces in one frame, of 5 points and of 68:

1. the face's five points are brought to the mean of 5 points as dlib itself does it, by least squares;
2. the middles of the eyes, tip of the nose and corners of the mouth of the mean of 68 are brought to ArcFace's
   template once, by least squares.

The two together bring a picture to the ArcFace frame. ``landmarks`` gives the places in the picture that they bring
to the template, so that whoever fits the template to these gets just this transform.

A frame's unit is the mean face: (0, 0) to (1, 1) is a chip without padding. The numbers are those of
get_face_chip_details in dlib (dlib/image_transforms/interpolation.h, Boost Software License 1.0).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.alignment import TEMPLATE, similarity

SIDE, PADDING = 150, 0.25  # of the chips that the network was trained on
# In dlib's order: of the eye that is right in the picture the outer and the inner corner, of the left one likewise,
# base of the nose.
FIVE = np.array(
    [
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    ]
)
# Points 36 to 41 and 42 to 47 of the 68, 30, 48 and 54.
LEFT_EYE = np.array(
    [
        (0.121737, 0.216423),
        (0.187122, 0.178758),
        (0.265825, 0.179852),
        (0.334606, 0.231733),
        (0.260918, 0.245099),
        (0.182743, 0.244077),
    ]
)
RIGHT_EYE = np.array(
    [
        (0.645647, 0.231733),
        (0.714428, 0.179852),
        (0.793132, 0.178758),
        (0.858516, 0.216423),
        (0.79751, 0.244077),
        (0.719335, 0.245099),
    ]
)
NOSE_TIP, MOUTH_LEFT, MOUTH_RIGHT = (0.490127, 0.515625), (0.254149, 0.780233), (0.726104, 0.780233)


def _moved(points: ArrayLike, transform: NDArray[np.float64]) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = np.asarray(points, np.float64) @ transform[:, :2].T + transform[:, 2]
    return moved


def _back(points: ArrayLike, transform: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.linalg.solve(transform[:, :2], (np.asarray(points, np.float64) - transform[:, 2]).T).T


def to_arcface() -> NDArray[np.float64]:
    """The similarity transform [2, 3] from dlib's frame to the 112x112 pixels of the ArcFace template."""
    anatomical = [LEFT_EYE.mean(axis=0), RIGHT_EYE.mean(axis=0), NOSE_TIP, MOUTH_LEFT, MOUTH_RIGHT]
    return similarity(anatomical)


TEMPLATE_IN_FRAME = _back(TEMPLATE, to_arcface())
"""The ArcFace template in dlib's frame, [5, 2]."""
FIVE_IN_ARCFACE = _moved(FIVE, to_arcface())
"""dlib's mean of five points in the pixels of a 112x112 crop, [5, 2]."""


def landmarks(five: ArrayLike) -> NDArray[np.float32]:
    """Where the ArcFace template lies in a picture in which dlib found its five points, float32 [5, 2].

    ``five``: [5, 2] in pixels, in dlib's order.
    """
    return _moved(TEMPLATE_IN_FRAME, similarity(FIVE, five)).astype(np.float32)


def in_chip(points: ArrayLike) -> NDArray[np.float64]:
    """Points of dlib's frame as get_face_chip_details places them in a chip of 150x150, padding 0.25."""
    placed: NDArray[np.float64] = (np.asarray(points, np.float64) + PADDING) / (2 * PADDING + 1) * SIDE
    return placed
