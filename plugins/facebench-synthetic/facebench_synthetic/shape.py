"""The shape of an identity at rest: what each coefficient moves on the mean head, in mm a spread."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from facebench_synthetic.field import Floats, curve, noise, smooth
from facebench_synthetic.head import (
    ACROSS,
    BELOW_LID,
    BELOW_LIP,
    COSINES,
    DROP,
    EYE,
    FISSURE,
    FRONT,
    MOUTH,
    REST,
    SIGN,
    SMILE,
    P,
    X,
    Y,
    Z,
    hill,
    seam,
)
from facebench_synthetic.identity import Identity

ZERO = np.zeros_like(X)
HEAD = 1.0 - smooth((P - 118.0) / 45.0)  # 1 on the head, 0 on the shoulders: what turns with the head


def move(right: Floats = ZERO, up: Floats = ZERO, out: Floats = ZERO) -> Floats:
    """A displacement of the skin in mm, ``right`` on the picture's right half and mirrored on the other: [r, c, 3]."""
    return np.stack([SIGN * right, up, out], axis=-1)


def crease(start: tuple[float, float], end: tuple[float, float], width: float) -> Floats:
    """A furrow from ``start`` to ``end`` (mm from the middle, mm of height), mirrored: 1 on it, 0 from ``width`` mm."""
    along = (end[0] - start[0], end[1] - start[1])
    square = along[0] * along[0] + along[1] * along[1]
    share = np.clip(((ACROSS - start[0]) * along[0] + (Y - start[1]) * along[1]) / square, 0.0, 1.0)
    across, up = ACROSS - start[0] - share * along[0], Y - start[1] - share * along[1]
    return (1.0 - smooth(np.sqrt(across * across + up * up) / width)) * FRONT


def _plateau(x: float, y: float, across: float, up: float) -> Floats:
    return smooth(2.5 * hill(x, y, across, up))


EYES = _plateau(EYE, 0, 34, 26)
OVER_LID = seam(FISSURE, ACROSS - EYE) * FRONT * ~BELOW_LID * (1.0 - smooth(Y / 14.0))
UNDER_LID = seam(FISSURE, ACROSS - EYE) * FRONT * BELOW_LID * (1.0 - smooth(-Y / 13.0))
LIPS = seam(SMILE, ACROSS) * FRONT
UPPER_LIP = LIPS * ~BELOW_LIP
LOWER_LIP = LIPS * BELOW_LIP
_JAW = smooth((-20.0 - Y) / 50.0) * smooth((Z + 40.0) / 60.0) * HEAD

MOVES = {
    "skull_width": move(ACROSS * 0.03 * HEAD),
    "skull_height": move(up=np.maximum(Y - 15.0, 0.0) * 0.05),
    "face_length": move(up=np.clip(Y, -113.0, 0.0) * 0.03 * (1.0 - smooth((P - 130.0) / 40.0))),
    "forehead": move(out=4.0 * hill(0, 55, 70, 50)),
    "jaw_width": move(ACROSS * 0.055 * _JAW),
    "chin_length": move(up=-3.2 * hill(0, -108, 60, 42), right=-1.0 * hill(25, -104, 24, 26)),
    "chin_depth": move(out=3.0 * hill(0, -103, 34, 28)),
    "cheekbones": move(right=2.2 * hill(54, -20, 34, 34), out=2.2 * hill(46, -22, 30, 28)),
    "fullness": move(
        right=3.2 * hill(52, -62, 44, 52) + 2.0 * HEAD * smooth((P - 100.0) / 20.0) * ACROSS / 55.0,
        out=2.6 * hill(40, -64, 34, 46) + 4.0 * smooth((P - 112.0) / 10.0) * HEAD * FRONT,
    ),
    "nose_length": move(up=-2.2 * hill(0, -40, 30, 34)),
    "nose_width": move(right=1.7 * hill(13, -40, 16, 20) + 0.6 * hill(8, -18, 12, 30)),
    "nose_bridge": move(out=2.2 * hill(0, -12, 13, 34)),
    "nose_tip": move(up=1.0 * hill(0, -37, 15, 15), out=2.2 * hill(0, -37, 16, 18)),
    "eye_spacing": move(right=1.6 * EYES),
    "eye_size": move(right=EYES * (ACROSS - EYE) * 0.045, up=EYES * Y * 0.04),
    "eye_slant": move(up=EYES * (ACROSS - EYE) * 0.05),
    "eye_opening": move(up=0.55 * OVER_LID - 0.3 * UNDER_LID),
    "brow_height": move(up=1.8 * hill(30, 22, 46, 22)),
    "brow_depth": move(out=1.8 * hill(27, 19, 36, 12) + 0.8 * hill(0, 18, 20, 12)),
    "mouth_width": move(right=2.0 * _plateau(SMILE, MOUTH, 34, 30) * np.minimum(ACROSS / SMILE, 1.0)),
    "mouth_height": move(up=1.7 * _plateau(0, MOUTH, 62, 36)),
    "upper_lip": move(
        up=1.0 * LIPS * ~BELOW_LIP * curve(DROP, ((0, 0), (8, 1), (12, 0.8), (22, 0))),
        out=0.8 * UPPER_LIP * curve(DROP, ((0, 0), (5, 1), (12, 0))),
    ),
    "lower_lip": move(
        up=-1.0 * LIPS * BELOW_LIP * curve(-DROP, ((0, 0), (9, 1), (13, 0.8), (22, 0))),
        out=0.9 * LOWER_LIP * curve(-DROP, ((0, 0), (5, 1), (13, 0))),
    ),
}
OPEN = move(up=4.6 * OVER_LID - 4.2 * UNDER_LID)

FURROWS = (
    crease((0, 37), (34, 39), 2.6)
    + crease((0, 45), (38, 47), 2.8)
    + crease((0, 54), (36, 55), 3.0)
    + crease((5, 12), (6, 26), 2.4)
    + 1.4 * crease((18, -41), (31, -67), 3.6)
    + crease((SMILE + 3, MOUTH - 5), (SMILE + 3, -97), 3.2)
    + 1.2 * crease((20, -9), (31, -14.5), 2.6)
    + 1.2 * crease((31, -14.5), (43, -9.5), 2.6)
    + crease((50, 2), (62, 9), 2.2)
    + crease((51, -2), (64, -2), 2.2)
    + crease((50, -6), (62, -12), 2.2)
    + crease((16, 44), (42, 40), 2.0)
)
SAG = move(
    right=3.0 * hill(46, -90, 26, 24) - 1.5 * hill(46, -40, 24, 30),
    up=-5.0 * hill(44, -80, 34, 44)
    - 1.8 * hill(SMILE, MOUTH, 16, 16)
    - 1.6 * hill(44, 14, 30, 18)
    - 2.5 * hill(0, -38, 16, 20)
    + 1.2 * hill(0, -68, 30, 12),
    out=3.0 * hill(44, -90, 24, 24) - 3.0 * hill(46, -52, 24, 30) + 1.6 * hill(31, -12, 15, 8) + 1.0 * OVER_LID,
)
SAG += move(up=-1.1 * OVER_LID * smooth((ACROSS - EYE) / 10.0 + 0.6))

_LINE = curve(
    np.broadcast_to(COSINES, X.shape),
    ((-1, -72), (-0.35, -48), (-0.1, -6), (0.12, -14), (0.2, 12), (0.42, 45), (0.72, 60), (0.9, 69), (1, 72)),
)


@lru_cache(maxsize=64)
def scalp(pattern: int) -> Floats:
    """Where hair grows: 0 on the face to 1 on the scalp, its edge uneven; float64 [rows, columns]."""
    uneven = 6.0 * (noise(X / 12.0 + 500.0, Z / 12.0 + 500.0, pattern) - 0.5)
    mask = smooth((Y - _LINE + uneven) / 12.0 + 0.5)
    return mask * (P < 118)


def wear(identity: Identity) -> float:
    """How much age has folded and sunk the skin: 0 at 25 years to 1 at 80 and 1.4 at 90."""
    years = max(identity.age - 25.0, 0.0) / 55.0
    return years * years


@lru_cache(maxsize=64)
def skin(identity: Identity) -> Floats:
    """The skin of ``identity`` at rest, eyes open and mouth closed: float64 [rows, columns, 3], mm; not writeable."""
    shape = REST + OPEN
    for name, displacement in MOVES.items():
        coefficient = getattr(identity, name)
        if coefficient:
            shape += coefficient * displacement
    old = wear(identity)
    shape += old * SAG
    shape[..., 2] -= 1.1 * old * FURROWS
    # Hair is the scalp pushed outwards: more on top than at the sides.
    strands = 0.75 + 0.5 * noise(X / 6.0 + 300.0, Y / 30.0 + Z / 14.0 + 300.0, identity.pattern)
    thick = 12.0 * min(identity.hair / 0.3, 1.4) * (0.45 + 0.55 * smooth((Y - 10.0) / 70.0)) * strands
    away = np.stack([X, np.maximum(Y, 0.0) * 0.9, Z + 12.0], axis=-1)
    length = np.sqrt(away[..., 0] * away[..., 0] + away[..., 1] * away[..., 1] + away[..., 2] * away[..., 2])
    shape += (scalp(identity.pattern) * smooth((Y - _LINE + 8.0) / 26.0) * thick / length)[..., None] * away
    shape.flags.writeable = False
    return shape
