"""The colours of a head at rest, a vertex at a time, before any light falls on it.

Colours are chosen as they appear on a screen, 0 to 255, and squared to linear light, where they are lit and mixed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from facebench_synthetic.field import Draws, Floats, bump, curve, noise, smooth
from facebench_synthetic.head import (
    ACROSS,
    AROUND,
    BELOW_LID,
    BELOW_LIP,
    DROP,
    EYE,
    FRONT,
    MOUTH,
    SMILE,
    P,
    X,
    Y,
    Z,
    hill,
    seam,
)
from facebench_synthetic.identity import Identity
from facebench_synthetic.part import PATCHES, RINGS, VERTICES, strands
from facebench_synthetic.shape import FURROWS, scalp, wear

SKIN = ((0, (252, 216, 196)), (0.25, (236, 190, 160)), (0.5, (202, 148, 112)), (0.75, (145, 96, 68)), (1, (88, 58, 44)))
HAIR = ((0, (222, 190, 130)), (0.3, (160, 110, 62)), (0.5, (130, 66, 36)), (0.7, (84, 56, 38)), (1, (30, 25, 25)))
IRIS = ((0, (96, 142, 178)), (0.3, (104, 136, 92)), (0.55, (128, 98, 54)), (0.8, (80, 50, 30)), (1, (42, 28, 22)))
GREY, WHITE, TEETH, PUPIL = (176, 174, 172), (236, 232, 228), (232, 224, 206), (12, 10, 10)
MOUTH_COLOURS = ((150, 70, 66), (96, 36, 36), (40, 14, 16), (46, 16, 18), (110, 42, 42), (150, 70, 66))
EAR_OPENNESS = (0.45, 0.5, 0.7, 0.85, 0.7, 1.0, 1.0, 0.8, 0.6)  # a ring each, from the middle outwards
CLOTHES = ((52, 62, 88), (96, 44, 48), (60, 84, 66), (120, 116, 108), (40, 40, 44), (150, 132, 100), (92, 110, 140))


FLAT = np.zeros_like(Y)


class Paint(NamedTuple):
    """Colour [3, vertices] of 0 to 1 in linear light, openness to light from all sides and gloss [vertices]."""

    colour: Floats
    openness: Floats
    gloss: Floats


def linear(colour: tuple[float, float, float]) -> Floats:
    """A screen colour, 0 to 255, in linear light, 0 to 1: [3, 1, 1]."""
    share = np.array(colour, np.float64)[:, None, None] / 255.0
    return share * share


def shade(stops: tuple[tuple[float, tuple[float, float, float]], ...], place: float) -> Floats:
    """The linear colour at ``place`` among ``stops``: [3, 1, 1]."""
    colours = [linear(colour)[:, 0, 0] for _, colour in stops]
    channels = [
        curve(np.array([place]), [(at, float(colour[channel])) for (at, _), colour in zip(stops, colours, strict=True)])
        for channel in range(3)
    ]
    return np.stack(channels)[..., None]


def _mix(colour: Floats, other: Floats, share: Floats) -> Floats:
    return colour + np.clip(share, 0.0, 1.0) * (other - colour)


def _tint(red: float, green: float, blue: float) -> Floats:
    return np.array([red, green, blue])[:, None, None]


def _beside(x: float, across: float) -> Floats:
    """A ridge of height 1 along the face at ``x`` mm from its middle, ``across`` mm wide on both sides."""
    return bump(ACROSS, FLAT, (x, 0), (across, 1))


# The brow's middle line and how thick it is, by the distance from the middle in mm.
_BROW_LINE = curve(ACROSS, ((9, 16.5), (18, 18.5), (32, 21.5), (42, 20.5), (52, 14.5)))
_BROW_WIDTH = curve(ACROSS, ((7, 1.0), (12, 4.2), (24, 4.6), (40, 3.4), (53, 1.2)))
_BROW_SPAN = smooth((ACROSS - 7.0) / 5.0) * smooth((54.0 - ACROSS) / 6.0) * FRONT
_RED_PART = seam(SMILE * 1.04, ACROSS) * np.where(BELOW_LIP, 9.5, 7.6 - 1.6 * _beside(0, 5)) - abs(DROP) + 0.6
LIPS = smooth(_RED_PART / 2.0) * FRONT * smooth((SMILE * 1.1 - ACROSS) / 1.5)
_LIP_LINE = smooth(1.0 - abs(DROP) / 1.3) * seam(SMILE * 1.05, ACROSS) * FRONT
_NEAR_EYE = smooth(4.0 * hill(EYE, 0, 18.5, 12))
_UPPER_LASH = ~BELOW_LID * smooth((1.9 - Y) / 1.6) * smooth(4.0 * _beside(EYE + 0.5, 17)) * _NEAR_EYE
_LOWER_LASH = BELOW_LID * smooth((1.8 + Y) / 1.8) * smooth(4.0 * _beside(EYE + 1, 16))
_LID_FOLD = smooth(1.0 - abs(Y - 4.3) / 2.2) * smooth(3.0 * _beside(EYE, 18)) * FRONT
_NOSTRILS = hill(6.8, -46.0, 5.2, 3.4)
_FLUSH = 0.6 * hill(40, -36, 36, 34) + 0.7 * hill(0, -38, 20, 14) + 0.25 * hill(0, -102, 20, 14)
_UNDER_EYE, _OVER_EYE = 0.35 * hill(EYE - 4, -11, 18, 8), 0.25 * hill(EYE, 8, 20, 9)
_FRECKLED = np.minimum(hill(30, -28, 44, 34) + 0.8 * hill(0, -20, 30, 30) + 0.3 * hill(0, 40, 60, 40), 1.0)
_JAW = hill(0, -96, 74, 42) + hill(0, -60, 36, 14) + hill(66, -74, 30, 52) + smooth((P - 100.0) / 10.0) * (P < 124)
_BEARD = smooth(1.6 * _JAW) * (1.0 - smooth(3.0 * hill(0, MOUTH, 30, 11))) * smooth((-42.0 - Y) / 14.0) * FRONT
_OPENNESS = (
    1.0
    - 0.30 * hill(17, 3, 13, 13)
    - 0.22 * hill(32, 8, 22, 8)
    - 0.45 * hill(0, -50, 20, 7)
    - 0.25 * hill(21, -40, 6, 12)
    - 0.16 * hill(0, -87, 26, 6)
    - 0.25 * hill(SMILE + 1, MOUTH, 5, 4)
    - 0.2 * smooth((ACROSS - 62.0) / 12.0) * FRONT
    - 0.55 * smooth((P - 111.0) / 6.0) * (1.0 - smooth((P - 128.0) / 30.0))
)


def hair_colour(identity: Identity) -> Floats:
    """The hair's colour, greyed by age, in linear light: [3, 1, 1]."""
    grey = min(max((identity.age - 42.0) / 30.0, 0.0), 0.95)
    return shade(HAIR, identity.hair_colour) * (1.0 - grey) + linear(GREY) * grey


@lru_cache(maxsize=64)
def paint(identity: Identity) -> Paint:
    """All colours of ``identity``; the arrays are shared and not writeable."""
    colour, openness, gloss = np.ones((3, VERTICES)), np.ones(VERTICES), np.zeros(VERTICES)
    hair, bare, old = hair_colour(identity), shade(SKIN, identity.skin_tone), wear(identity)
    growth = scalp(identity.pattern) * min(identity.hair / 0.1, 1.0)
    for name, patch in PATCHES.items():
        part = slice(patch.first, patch.stop)
        grid = (3, patch.rows, patch.columns)
        column = np.ones((patch.rows, 1))
        if name == "skin":
            painted = _skin(identity, bare, hair, growth)
            open_, shine = (
                _OPENNESS * (1.0 - 0.25 * old * np.minimum(FURROWS, 1.0)),
                (0.10 + 0.16 * LIPS - 0.05 * growth),
            )
            shine = shine * (P < 160)
        elif name.endswith("eye"):
            painted, open_, shine = (
                _eye(identity, patch.columns),
                0.92 - 0.35 * smooth((_RADII - 8.0) / 8.0),
                0.15 * column,
            )
        elif name.endswith("glint"):
            painted, open_, shine = linear((322, 322, 322)), column, 0.0 * column
        elif name == "mouth":
            painted = np.concatenate([linear(item) for item in MOUTH_COLOURS], axis=1)
            open_, shine = np.array([0.6, 0.35, 0.2, 0.2, 0.4, 0.6])[:, None], 0.0 * column
        elif name.endswith("teeth"):
            side = np.linspace(-1.0, 1.0, patch.columns)
            painted = linear(TEETH) * (1.0 - 0.2 * old * _tint(0.4, 0.8, 1.4))
            open_ = (0.95 if name.startswith("upper") else 0.85) - 0.55 * side * side
            shine = 0.0 * column
        elif name.endswith("ear"):
            painted, open_, shine = bare * _tint(1.0, 0.86, 0.82), np.array(EAR_OPENNESS)[:, None], 0.06 * column
        else:
            painted, open_, shine = hair * (0.55 + 0.9 * strands(identity.pattern)), 0.8 * column, 0.08 * column
        colour[:, part] = np.broadcast_to(painted, grid).reshape(3, -1)
        openness[part] = np.broadcast_to(open_, grid[1:]).reshape(-1)
        gloss[part] = np.broadcast_to(shine, grid[1:]).reshape(-1)
    for array in (colour, openness, gloss):
        array.flags.writeable = False
    return Paint(colour, openness, gloss)


def _skin(identity: Identity, bare: Floats, hair: Floats, growth: Floats) -> Floats:
    pattern, old = identity.pattern, wear(identity)
    draws = Draws(f"marks/{pattern}")
    clothes = linear(CLOTHES[draws.whole(len(CLOTHES))])
    colour = _complexion(identity, bare)
    for _ in range(draws.whole(5)):
        at, size = (draws.between(-55, 55), draws.between(-100, 50)), draws.between(1.6, 2.8)
        colour = _mix(colour, bare * _tint(0.16, 0.10, 0.09), 1.5 * bump(AROUND, Y, at, (size, size)) * (Z > 0))
    if identity.beard:
        bristles = 0.7 + 0.5 * noise(X / 2.5 + 11.0, Y / 4.0 + 11.0, pattern)
        colour = _mix(colour, hair * 0.75, _BEARD * identity.beard * bristles)
    lips = bare * (_tint(0.82, 0.42, 0.42) * (1.0 - identity.lips) + _tint(0.72, 0.22, 0.26) * identity.lips)
    lips = lips * (1.0 - 0.25 * old) + 0.25 * old * bare
    colour = _mix(colour, lips, 0.92 * LIPS)
    colour *= (1.0 - 0.75 * _LIP_LINE) * (1.0 - 0.45 * _LID_FOLD)
    hairs = 0.85 + 0.3 * noise(X / 2.2 + 60.0 + 0.3 * Y, Y / 3.0 + 60.0, pattern + 3)
    width = _BROW_WIDTH * (0.65 + 0.7 * identity.brow_weight)
    brow = smooth(1.25 - abs(Y - _BROW_LINE) / width) * _BROW_SPAN * hairs * (0.66 + 0.44 * identity.brow_weight)
    colour = _mix(colour, hair * (0.4 + 0.2 * identity.hair_colour), brow)
    colour = _mix(colour, linear((30, 20, 18)), 0.9 * _UPPER_LASH)
    colour = _mix(colour, bare * _tint(0.38, 0.24, 0.22), 0.55 * _LOWER_LASH)
    colour = _mix(colour, bare * _tint(0.10, 0.05, 0.05), 1.4 * _NOSTRILS)
    shaved = 0.25 * (scalp(pattern) - growth)
    streaks = 0.6 + 0.8 * noise(X / 2.5 + Y / 9.0 + 400.0, Y / 28.0 + Z / 9.0 + 400.0, pattern)
    colour = _mix(_mix(colour, hair, shaved), hair * streaks, 0.97 * growth)
    return _mix(colour, clothes, smooth((P - 158.5) / 3.0))


def _complexion(identity: Identity, bare: Floats) -> Floats:
    pattern, old = identity.pattern, wear(identity)
    colour = bare * (1.0 - _FLUSH * (0.15 + 0.85 * identity.redness) * _tint(0.0, 0.22, 0.2))
    colour *= 0.93 + 0.14 * noise(AROUND / 9.0 + 90.0, Y / 9.0 + 90.0, pattern)
    colour *= 1.0 - (_UNDER_EYE * min(identity.age / 60.0, 1.2) + _OVER_EYE) * _tint(0.55, 0.7, 0.65)
    if identity.freckles:
        spots = smooth((noise(AROUND / 2.6 + 700.0, Y / 2.6 + 700.0, pattern + 1) - 0.62) / 0.16) * _FRECKLED
        colour *= 1.0 - 0.75 * identity.freckles * spots * _tint(0.45, 0.62, 0.75)
    if identity.age > 45:
        stains = smooth((noise(AROUND / 5.0 + 130.0, Y / 5.0 + 60.0, pattern + 2) - 0.72) / 0.12) * (P < 118)
        colour *= 1.0 - 0.3 * min((identity.age - 45.0) / 35.0, 1.0) * stains
    colour *= 1.0 - np.minimum(0.42 * old * FURROWS, 0.6) * _tint(0.85, 1.0, 1.0)
    return colour


_RADII = np.array(RINGS, np.float64)[:, None]


def _eye(identity: Identity, sectors: int) -> Floats:
    angle, radii = np.broadcast_arrays(np.arange(sectors, dtype=np.float64) * 0.9, _RADII)
    iris = shade(IRIS, identity.eye_colour) * (0.8 + 0.55 * noise(angle, radii, identity.pattern))
    colour = _mix(linear(WHITE), linear((222, 190, 180)), smooth((_RADII - 9.0) / 6.0))
    colour = _mix(colour, iris, smooth((6.3 - _RADII) / 0.6))
    colour = _mix(colour, iris * 0.3, smooth((_RADII - 4.9) / 0.8) * smooth((6.3 - _RADII) / 0.6))
    return _mix(colour, linear(PUPIL), (_RADII < 2.15).astype(np.float64))
