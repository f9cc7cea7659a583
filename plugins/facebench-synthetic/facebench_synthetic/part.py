"""What hangs off the skin: eyeballs, mouth, teeth, ears and long hair, built from the skin's own vertices."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from facebench_synthetic.field import PI, Floats, cosine, curve, noise, sine, smooth
from facebench_synthetic.head import (
    ANGLES,
    COLUMNS,
    CORNER,
    INNER,
    LID,
    LIP,
    MIDDLE,
    OUTER,
    PLACES,
    ROWS,
    Patch,
)

RINGS = (0.0, 1.0, 2.1, 2.2, 3.6, 5.0, 5.7, 6.3, 9.0, 12.0, 15.0)  # around the pupil, mm; the last is the eye's rim
SECTORS = 28
GLINT = 8
MOUTH_COLUMNS = np.arange(MIDDLE - CORNER, MIDDLE + CORNER + 1)
TEETH_COLUMNS = np.arange(MIDDLE - CORNER + 1, MIDDLE + CORNER)
EAR_RINGS = (
    (0.0, -4.0),
    (0.3, -4.0),
    (0.52, -1.0),
    (0.66, 1.5),
    (0.8, 1.0),
    (0.92, 4.0),
    (1.0, 2.5),
    (0.93, -1.0),
    (0.5, -5.0),
)
EAR_SECTORS = 18
CURTAIN_ROWS = 12
CURTAIN_COLUMNS = np.concatenate(
    [np.flatnonzero(ANGLES > 1.1), np.flatnonzero(ANGLES < -1.1)]
)  # over the right, around the back


def _patches() -> dict[str, Patch]:
    sizes = {
        "skin": (ROWS, COLUMNS, True),
        "left eye": (len(RINGS), SECTORS, True),
        "right eye": (len(RINGS), SECTORS, True),
        "mouth": (6, len(MOUTH_COLUMNS), False),
        "upper teeth": (3, len(TEETH_COLUMNS), False),
        "lower teeth": (3, len(TEETH_COLUMNS), False),
        "left ear": (len(EAR_RINGS), EAR_SECTORS, True),
        "right ear": (len(EAR_RINGS), EAR_SECTORS, True),
        "curtain": (CURTAIN_ROWS, len(CURTAIN_COLUMNS), False),
        # The last, for they belong to the light and not to the head.
        "left glint": (2, GLINT, True),
        "right glint": (2, GLINT, True),
    }
    patches, first = {}, 0
    for name, (rows, columns, closed) in sizes.items():
        patches[name] = Patch(name, first, rows, columns, closed)
        first = patches[name].stop
    return patches


PATCHES = _patches()
HEAD_VERTICES = PATCHES["curtain"].stop
VERTICES = PATCHES["right glint"].stop


def _circle(count: int) -> tuple[Floats, Floats]:
    angles = [2.0 * PI * step / count for step in range(count)]
    return np.array([cosine(angle) for angle in angles]), np.array([sine(angle) for angle in angles])


_SECTOR_X, _SECTOR_Y = _circle(SECTORS)
_GLINT_X, _GLINT_Y = _circle(GLINT)
_EAR_X, _EAR_Y = _circle(EAR_SECTORS)


class Eye:
    """An eyeball between the lids' corners; ``side`` is -1 for the one on the picture's left and 1 for the other."""

    def __init__(self, skin: Floats, side: int) -> None:
        inner, outer = skin[LID, MIDDLE + side * INNER], skin[LID, MIDDLE + side * OUTER]
        self.centre = (inner + outer) * 0.5
        self.width = abs(float(outer[0] - inner[0])) / 2.0
        self.tilt = 0.55 * float(outer[2] - inner[2]) / float(outer[0] - inner[0])
        self.lift = float(outer[1] - inner[1]) / float(outer[0] - inner[0])

    def depth(self, x: Floats, y: Floats) -> Floats:
        """How far the eyeball's front stands at (x, y), mm from the eye's centre: z in mm."""
        across, up = x / (self.width * 1.22), y / (self.width * 1.15)
        bulge = np.sqrt(np.maximum(1.0 - across * across - up * up, 0.0))
        return float(self.centre[2]) + self.tilt * x + self.width * 0.85 * (bulge - 0.5)

    def covered(self, skin: Floats) -> None:
        """Lays the lids on the eyeball: they may not sink into it; changes ``skin``."""
        near = skin[LID - 7 : LID + 8, MIDDLE - OUTER - 3 : MIDDLE + OUTER + 4]
        x, y = near[..., 0] - self.centre[0], near[..., 1] - self.centre[1]
        over = self.depth(x, y) + 1.1 * smooth((self.width * 1.2 - abs(x)) / 4.0)
        beside = (abs(x) < self.width * 1.15) & (abs(y) < self.width)
        near[..., 2] = np.where(beside, np.maximum(near[..., 2], over), near[..., 2])

    def ball(self, look: tuple[float, float], iris: float) -> Floats:
        """Rings around the pupil, which lies ``look`` mm off the middle: float64 [rings, sectors, 3]."""
        radii = np.array(RINGS)[:, None]
        share = smooth((radii - 6.3) / 8.7)
        x = look[0] * (1.0 - share) + radii * iris * _SECTOR_X
        y = look[1] * (1.0 - share) + radii * iris * _SECTOR_Y
        rim_x, rim_y = self.width * 1.18 * _SECTOR_X, self.width * _SECTOR_Y
        x, y = x * (1.0 - share) + rim_x * share, y * (1.0 - share) + rim_y * share
        return self._placed(x, y, 0.0)

    def glint(self, look: tuple[float, float], light: tuple[float, float]) -> Floats:
        """A small disc on the cornea towards the light: float64 [2, sectors, 3]."""
        radii = np.array([[0.0], [1.15]])
        x, y = look[0] + 3.6 * light[0] + radii * _GLINT_X, look[1] + 3.6 * light[1] + radii * _GLINT_Y
        return self._placed(x, y, 0.35)

    def _placed(self, x: Floats, y: Floats, over: float) -> Floats:
        return np.stack([x + self.centre[0], y + self.centre[1], self.depth(x, y) + over], axis=-1)


def mouth(skin: Floats) -> Floats:
    """The mouth's bag, from the upper lip's edge back and out to the lower one's: float64 [6, columns, 3]."""
    upper, lower = skin[LIP, MOUTH_COLUMNS], skin[LIP + 1, MOUTH_COLUMNS]
    middle = (upper + lower) * 0.5
    inside = np.linspace(-1.0, 1.0, len(MOUTH_COLUMNS))
    deep = (1.0 - inside * inside * inside * inside)[:, None]
    rows = [
        upper,
        upper + deep * np.array([0.0, 2.5, -3.0]),
        middle + deep * np.array([0.0, 9.0, -22.0]),
        middle + deep * np.array([0.0, -9.0, -22.0]),
        lower + deep * np.array([0.0, -2.5, -3.0]),
        lower,
    ]
    return np.stack(rows)


def teeth(rest: Floats, skin: Floats, jaw: Floats, upper: bool) -> Floats:
    """A row of teeth behind the lips of ``skin``, where ``rest`` puts them and ``jaw`` moves them: [3, columns, 3]."""
    edge = rest[LIP, TEETH_COLUMNS] * np.array([0.9, 0.0, 1.0])
    arch = np.linspace(-1.0, 1.0, len(TEETH_COLUMNS))
    height = float(rest[LIP, MIDDLE, 1])
    heights = (9.0, 2.0, -3.2) if upper else (-1.0, -4.0, -9.0)
    # Lips that are pressed back take no teeth through them.
    front = np.minimum(edge[:, 2] + jaw[2], skin[LIP if upper else LIP + 1, TEETH_COLUMNS, 2])
    front = front - (4.5 if upper else 7.0) - 5.0 * arch * arch
    rows = []
    for drop in heights:
        row = edge + jaw
        row[:, 1] = height + drop + jaw[1] + (1.2 if upper and drop < 0 else 0.0) * arch * arch
        row[:, 2] = front - (1.5 if drop in (9.0, -9.0) else 0.0)
        rows.append(row)
    return np.stack(rows)


def ear(skin: Floats, side: int, size: float) -> Floats:
    """An ear at the side of the skull, ``size`` times the mean one's: float64 [rings, sectors, 3]."""
    column = MIDDLE + side * int(np.searchsorted(ANGLES[MIDDLE:], PI / 2))
    root = skin[LID, column]
    ring = np.array(EAR_RINGS)
    radius, out = ring[:, 0, None], ring[:, 1, None]
    # Seen from the side: u runs to the back of the head, v upwards; the lower half is narrower, as a lobe is.
    u = radius * (side * _EAR_X) * 15.5 * (0.78 + 0.22 * smooth(_EAR_Y * 1.5 + 0.6))
    v = radius * _EAR_Y * 29.0
    out = out * (0.6 + 0.4 * smooth((side * _EAR_X + 0.8) / 0.8))
    x = side * size * (7.0 + 0.45 * u + 0.86 * out) - side * 3.0
    y = size * (v - 0.12 * u) - 14.0
    z = size * (-0.86 * u + 0.5 * out) - 10.0
    return np.stack([root[0] + x, root[1] + y, root[2] + z], axis=-1)


def curtain(skin: Floats, hair: float, streaks: Floats) -> Floats:
    """Long hair from the scalp down, or what of it ``hair`` leaves: float64 [rows, columns, 3]."""
    top = skin[int(np.searchsorted(PLACES, -45.0)), CURTAIN_COLUMNS]
    if hair <= 0.5:  # short hair has none: all of it shrinks to a point within the head
        return np.zeros((CURTAIN_ROWS, len(CURTAIN_COLUMNS), 3))
    down = np.arange(CURTAIN_ROWS)[:, None] / (CURTAIN_ROWS - 1.0)
    fall = down * (70.0 + 280.0 * (hair - 0.5)) * (0.9 + 0.2 * streaks[:1])
    y = top[None, :, 1] + 12.0 - fall
    # Out of the scalp, over the ears, and in again at the ends.
    wide = curve(fall, ((0, 0.93), (28, 1.08), (70, 1.13), (120, 1.10), (210, 1.04)))
    wide = wide - 0.10 * smooth((down - 0.8) / 0.3)
    wide = wide * (1.0 + 0.14 * (streaks - 0.5) * smooth(fall / 20.0))
    x = top[None, :, 0] * wide
    z = -12.0 + (top[None, :, 2] + 12.0) * wide
    return np.stack([x, y, z], axis=-1)


@lru_cache(maxsize=64)
def strands(pattern: int) -> Floats:
    """The streaks of long hair: 0 to 1, [rows, columns]."""
    across = np.arange(len(CURTAIN_COLUMNS), dtype=np.float64)[None, :]
    down = np.arange(CURTAIN_ROWS, dtype=np.float64)[:, None]
    fine = noise(across * 0.9 + 0.1 * down, down * 0.12 + 0.0 * across, pattern)
    return 0.6 * fine + 0.4 * noise(across * 0.35 + 40.0 + 0.0 * down, down * 0.3 + 0.0 * across, pattern)
