"""The mean head at rest: a grid of skin with slits for eyes and mouth, in mm.

x grows to the right of the picture, y upwards and z towards the viewer.  The eyes lie at y = 0, the axis of the head
at x = z = 0.  Rows run from crown to chest; columns run around the head from the back over the picture's left side,
the nose and the picture's right side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench_synthetic.field import PI, Booleans, Floats, Integers, bump, cosine, curve, sine, smooth

# The rows' places: the height of the front line down to the chin, then a count that goes on under the jaw.
CROWN = (-118, -117.3, -114, -107, -97, -85, -74)
FOREHEAD = (-66, -59, -52.5, -46.5, -41.5, -37.5, -34.5)
BROW = (-32, -29.5, -27.3, -25.2, -23.2, -21.2, -19.2, -17.2, -15)
UPPER_LID = (-12.5, -10, -7.8, -5.8, -4, -2.4, -1.1, 0)
LOWER_LID = (0, 1.2, 2.7, 4.6, 7, 10, 13.5)
NOSE = (17, 21, 25, 28.5, 31, 33.5, 36, 38.5, 41, 43.5, 46, 49)
UPPER_LIP = (51.5, 54.5, 57.5, 60.2, 62.6, 64.6, 66.4, 68.1, 69.7, 71, 72)
LOWER_LIP = (72, 73.2, 74.8, 76.6, 78.6, 81, 83.6, 86.6, 90)
CHIN = (93.5, 97, 101, 105, 108.5, 111, 113)
NECK = (115, 118, 123, 130, 138, 147, 156, 160, 164, 172, 184, 205, 240)
PLACES = np.array(CROWN + FOREHEAD + BROW + UPPER_LID + LOWER_LID + NOSE + UPPER_LIP + LOWER_LIP + CHIN + NECK)
ROWS = len(PLACES)
LID = len(CROWN + FOREHEAD + BROW + UPPER_LID) - 1  # the upper lid's edge; the lower lid's is the next row
LIP = LID + len(LOWER_LID + NOSE + UPPER_LIP)  # the upper lip's edge; the lower lip's is the next row
MOUTH = -72.0

# place: front height, side height, front depth, half width, depth of the widest point, back depth, squareness, chin
STATIONS = (
    (-118, 118, 118, -11.9, 0.1, -12, -12.1, 0.0, 0),
    (-117.3, 117.3, 117.3, 4, 16, -12, -28, 0.0, 0),
    (-114, 114, 114, 20, 28, -12, -48, 0.05, 0),
    (-105, 105, 105, 45, 45, -12, -68, 0.1, 0),
    (-84, 84, 84, 72, 63, -12, -88, 0.2, 0),
    (-60, 60, 60, 88, 73, -12, -98, 0.25, 0),
    (-35, 35, 35, 95, 77, -12, -101, 0.3, 0),
    (-15, 15, 15, 95, 77, -10, -99, 0.3, 0),
    (0, 0, 0, 92, 75.5, -8, -95, 0.3, 0),
    (20, -20, -18, 91, 73, -6, -88, 0.3, 0),
    (45, -45, -37, 90, 69, -5, -78, 0.25, 0.1),
    (72, -72, -55, 89, 67, -4, -68, 0.25, 0.3),
    (95, -95, -71, 86, 63, -3, -64, 0.2, 0.6),
    (107, -107, -79, 81, 59, -3, -62, 0.12, 0.75),
    (113, -113, -83, 73, 56, -4, -62, 0.08, 0.8),
    (118, -114, -86, 52, 53, -8, -61, 0.0, 0.8),
    (127, -115, -92, 33, 51, -14, -61, 0.0, 0.6),
    (142, -130, -110, 28, 51, -18, -62, 0.0, 0),
    (157, -150, -128, 25, 55, -20, -66, 0.0, 0),
    (164, -160, -132, 27, 72, -20, -72, 0.1, 0),
    (172, -167, -140, 34, 110, -20, -78, 0.2, 0),
    (184, -176, -152, 48, 165, -20, -86, 0.3, 0),
    (205, -195, -176, 66, 196, -20, -90, 0.3, 0),
    (240, -235, -230, 80, 206, -20, -94, 0.3, 0),
)
EYE_CORNERS = (17.0, 46.0)  # mm from the middle, at the eyes' row
INTERVALS = (6, 10, 8, 6)  # columns from the middle to the inner corner, the outer corner, the side, the back


def _stations(place: Floats) -> list[Floats]:
    return [curve(place, [(row[0], row[item]) for row in STATIONS]) for item in range(1, 9)]


def _section(place: Floats, sines: Floats, cosines: Floats) -> tuple[Floats, Floats, Floats]:
    """The bare egg of a head at rows ``place`` and angles from the front: x, y and z in mm."""
    front_y, side_y, front, width, middle, back, square, chin = _stations(place)
    fourth = sines * sines * sines * sines + cosines * cosines * cosines * cosines
    radius = 1.0 - square + square / np.sqrt(np.sqrt(fourth))
    depth = np.where(cosines > 0, front - middle, middle - back)
    turn = np.clip(1.0 - cosines, 0.0, 1.0)
    rise = chin * turn * (2.0 - turn) + (1.0 - chin) * smooth(turn)
    return width * sines * radius, front_y + (side_y - front_y) * rise, middle + depth * cosines * radius


def _angle_at(x: float) -> float:
    """The angle from the front, in radians, at which the eyes' row lies ``x`` mm from the middle."""
    low, high = 0.0, PI / 2
    for _ in range(60):
        angle = (low + high) / 2
        across = _section(np.zeros(1), np.array([sine(angle)]), np.array([cosine(angle)]))[0][0]
        low, high = (angle, high) if across < x else (low, angle)
    return low


def _angles() -> Floats:
    ends = [0.0, *(_angle_at(x) for x in EYE_CORNERS), PI / 2, PI]
    half = [
        start + (end - start) * step / count
        for start, end, count in zip(ends, ends[1:], INTERVALS, strict=False)
        for step in range(count)
    ]
    # The left half is the right one's exact mirror image, so that mirrored poses give mirrored pictures.
    return np.array([-PI, *(-angle for angle in half[:0:-1]), *half])


ANGLES = _angles()
COLUMNS = len(ANGLES)
MIDDLE = COLUMNS // 2
INNER, OUTER = INTERVALS[0], INTERVALS[0] + INTERVALS[1]  # the eyes' corners, in columns from the middle
CORNER = 10  # the mouth's corners, in columns from the middle
SINES = np.array([sine(angle) for angle in ANGLES])
COSINES = np.array([cosine(angle) for angle in ANGLES])
SINES[0], COSINES[MIDDLE] = 0.0, 1.0
P, C = np.broadcast_arrays(PLACES[:, None], COSINES[None, :])
X, Y, Z = _section(P, np.broadcast_to(SINES[None, :], P.shape), C)
AROUND = np.broadcast_to(75.0 * ANGLES, X.shape)  # mm along the head from the middle of the face
ACROSS = abs(X)  # so that every field is the same on both sides
SIGN = np.sign(X)
FRONT = smooth(C / 0.3)  # 1 on the face, 0 from the ears backwards
DROP = Y - Y[LIP]  # mm above the line of the mouth
SMILE = float(X[LIP, MIDDLE + CORNER])  # half the mouth's width at rest
EYE = (float(X[LID, MIDDLE + INNER]) + float(X[LID, MIDDLE + OUTER])) / 2  # the eyes' distance from the middle
FISSURE = (float(X[LID, MIDDLE + OUTER]) - float(X[LID, MIDDLE + INNER])) / 2  # half an eye's width
BELOW_LID = np.arange(ROWS)[:, None] > LID
BELOW_LIP = np.arange(ROWS)[:, None] > LIP


def hill(x: float, y: float, across: float, up: float) -> Floats:
    """Round hills of height 1 at (-x, y) and (x, y) on the face, of the given radii in mm: one value a vertex."""
    return bump(ACROSS, Y, (x, y), (across, up)) * FRONT


def seam(half: float, distance: Floats) -> Floats:
    """How far a slit of half width ``half`` mm opens ``distance`` mm from its middle: 1 there, 0 from the corners."""
    share = np.minimum(abs(distance) / half, 1.0)
    return np.sqrt(1.0 - share * share) * (1.0 - 0.5 * share * share) * (1.0 - share * share * share * share)


def _nose() -> Floats:
    # Between the bridge and the tip the width grows; the wings stand to both sides of the tip.
    height = curve(
        Y, ((-52, 0), (-48, 4), (-44, 15), (-40, 24), (-36, 27), (-31, 24.5), (-15, 14), (0, 6), (12, 1.5), (20, 0))
    )
    width = curve(Y, ((-48, 17), (-38, 16.5), (-30, 14.5), (-15, 12), (0, 11), (20, 16)))
    share = np.minimum(ACROSS / width, 1.0)
    ridge = height * (1.0 - smooth(share))
    wings = 9.0 * hill(12.5, -41, 8.5, 9)
    return ridge + wings * (1.0 - 0.3 * smooth((10.0 - ACROSS) / 10.0))


def _relief() -> Floats:
    """How far the features of the mean face stand out from the bare egg: mm."""
    lips = seam(SMILE * 1.08, ACROSS)
    upper = curve(DROP, ((0, 1.0), (3.5, 5.0), (8, 3.0), (12, 1.2), (24, 0)))
    lower = curve(-DROP, ((0, 1.0), (4.5, 6.0), (9, 2.5), (14, -1.5), (20, -2.5), (30, 0)))
    mouth = lips * np.where(BELOW_LIP, lower, upper)
    return (
        _nose()
        - 9.0 * hill(30, 2, 27, 18)
        - 5.0 * hill(14, 3, 12, 12)
        + 3.5 * hill(28, 21, 30, 12)
        + 2.0 * hill(0, 20, 14, 12)
        + 5.0 * hill(46, -24, 28, 24)
        + 2.0 * hill(30, -32, 22, 20)
        - 4.0 * hill(50, -60, 24, 30)
        + 4.5 * hill(0, -64, 42, 26)
        - 1.6 * hill(0, -58, 4.5, 12)
        - 2.5 * hill(SMILE + 3, MOUTH, 9, 9)
        + 8.0 * hill(0, -102, 24, 16)
        - 3.0 * hill(66, 12, 24, 32)
        + mouth * FRONT
    )


@dataclass(frozen=True)
class Patch:
    """A grid of vertices: ``rows`` x ``columns`` from vertex ``first``; ``closed`` where its columns run in a ring."""

    name: str
    first: int
    rows: int
    columns: int
    closed: bool

    @property
    def stop(self) -> int:
        """One past the patch's last vertex."""
        return self.first + self.rows * self.columns

    def triangles(self, slits: Booleans | None = None) -> Integers:
        """Two triangles a cell but where ``slits`` [rows - 1, cells] gape, turning left from outside: int64 [t, 3]."""
        rows, columns = np.arange(self.rows - 1)[:, None], np.arange(self.columns - (not self.closed))[None, :]
        here, beside = rows * self.columns + columns, rows * self.columns + (columns + 1) % self.columns
        below, across = here + self.columns, beside + self.columns
        cells = np.stack([here, below, beside, beside, below, across], axis=-1)
        cells = cells.reshape(-1, 6) if slits is None else cells[~slits]
        return self.first + cells.reshape(-1, 3)


def _rest() -> Floats:
    shape = np.stack([X, Y, Z + _relief()], axis=-1)
    shape.flags.writeable = False
    return shape


def _slits() -> Booleans:
    slits = np.zeros((ROWS - 1, COLUMNS), bool)
    slits[LID, MIDDLE + INNER : MIDDLE + OUTER] = slits[LID, MIDDLE - OUTER : MIDDLE - INNER] = True
    slits[LIP, MIDDLE - CORNER : MIDDLE + CORNER] = True
    return slits


REST = _rest()
SLITS = _slits()  # the cells between the lids and between the lips, through which eyes and mouth are seen
