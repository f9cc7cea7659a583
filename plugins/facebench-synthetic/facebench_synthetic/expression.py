"""What a face does: action units, named after the facial action coding system, and the emotions made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from facebench_synthetic.field import Floats, smooth
from facebench_synthetic.head import ACROSS, BELOW_LID, BELOW_LIP, DROP, LID, LIP, MOUTH, SMILE, Y, Z, hill, seam
from facebench_synthetic.identity import check
from facebench_synthetic.shape import HEAD, LIPS, LOWER_LIP, OVER_LID, UNDER_LID, UPPER_LIP, crease, move

_OPEN = seam(SMILE, ACROSS)
_LOWER = smooth((-52.0 - Y) / 42.0)
# The lower jaw carries everything below the slit; corners follow a little, and the upper lip not at all.
JAW = np.where(BELOW_LIP, _LOWER + (1.0 - _LOWER) * _OPEN, _LOWER * (1.0 - _OPEN))
JAW = JAW * HEAD * smooth((Z + 5.0) / 50.0) * smooth((78.0 - ACROSS) / 30.0)
_CORNER = hill(SMILE, MOUTH, 25, 27)
_LOW_LIP = LOWER_LIP * (1.0 - smooth(-DROP / 24.0))
_HIGH_LIP = UPPER_LIP * (1.0 - smooth(DROP / 24.0))

# A movement at intensity 1, in mm: [rows, columns, 3].
MOVES: Mapping[int, Floats] = MappingProxyType(
    {
        1: move(right=-0.5 * hill(12, 24, 20, 22), up=8.5 * hill(10, 25, 26, 24)),
        2: move(up=8.0 * hill(43, 24, 27, 24)),
        4: move(
            right=-4.5 * hill(14, 20, 22, 16),
            up=-6.5 * hill(14, 22, 30, 18) - 2.0 * hill(34, 21, 24, 14),
            out=2.0 * hill(10, 18, 14, 12),
        ),
        5: move(up=3.4 * OVER_LID - 0.6 * UNDER_LID),
        6: move(
            right=1.0 * hill(46, -22, 30, 26),
            up=5.5 * hill(40, -25, 30, 24) + 2.2 * UNDER_LID - 1.5 * hill(48, 18, 22, 14),
            out=4.0 * hill(40, -22, 26, 20) - 0.8 * hill(55, -2, 12, 12),
        ),
        7: move(up=2.3 * UNDER_LID - 1.6 * OVER_LID),
        9: move(
            right=1.6 * hill(13, -40, 14, 14),
            up=5.0 * hill(13, -40, 18, 18)
            - 4.5 * hill(11, 19, 24, 16)
            + 3.0 * hill(0, -62, 28, 16)
            + 1.6 * UNDER_LID
            - 0.8 * OVER_LID
            + 2.5 * _HIGH_LIP,
            out=2.0 * hill(16, -24, 14, 18),
        ),
        10: move(up=6.0 * _HIGH_LIP + 3.5 * hill(16, -60, 22, 22), out=1.5 * hill(14, -62, 18, 14)),
        12: move(
            right=9.0 * _CORNER,
            up=6.8 * _CORNER + 3.5 * hill(42, -46, 26, 28),
            out=-4.0 * _CORNER + 4.0 * hill(42, -40, 24, 24),
        ),
        15: move(right=1.0 * _CORNER, up=-8.0 * hill(SMILE, MOUTH - 2, 20, 26), out=1.0 * hill(SMILE, -86, 14, 14)),
        17: move(up=4.5 * hill(0, -88, 34, 28) + 1.5 * hill(0, MOUTH, 24, 20), out=2.5 * hill(0, -90, 28, 24)),
        20: move(right=9.0 * _CORNER, up=-2.0 * _CORNER, out=-3.5 * _CORNER),
        23: move(
            right=-4.0 * _CORNER,
            up=-3.2 * LIPS * np.clip(DROP / 8.0, -1.3, 1.3) * (1.0 - smooth((abs(DROP) - 6.0) / 14.0)),
            out=-2.2 * LIPS * (1.0 - smooth((abs(DROP) - 4.0) / 10.0)),
        ),
        25: move(up=1.6 * _HIGH_LIP - 3.6 * _LOW_LIP),
        26: move(up=-12.0 * JAW, out=-3.0 * JAW),
        27: move(right=-3.5 * _CORNER, up=-27.0 * JAW, out=-7.0 * JAW),
    }
)
CLOSED = 43  # the eyes' closing, whose way depends on how far they are open
UNITS = (*MOVES, CLOSED)

# Furrows that come with a movement, as shares of the light they take.
SHADOWS: Mapping[int, Floats] = MappingProxyType(
    {
        1: 0.22 * (crease((0, 38), (20, 41), 2.8) + crease((0, 47), (20, 49), 2.8)),
        2: 0.22 * (crease((20, 41), (46, 40), 2.8) + crease((20, 49), (46, 48), 2.8)),
        4: 0.45 * crease((4.5, 13), (5.5, 29), 3.2),
        6: 0.22
        * (crease((50, 0), (62, 5), 2.4) + crease((50, -6), (62, -11), 2.4) + crease((20, -11), (42, -13), 3.0)),
        9: 0.4 * (crease((0, 7), (9, 4), 2.6) + crease((0, 1), (9, -2), 2.4) + crease((17, -36), (26, -56), 3.6)),
        10: 0.42 * crease((18, -42), (33, -64), 4.0),
        12: 0.40 * crease((19, -42), (36, -68), 4.2),
        15: 0.3 * crease((SMILE + 2, MOUTH - 6), (SMILE + 3, -92), 4.0),
        17: 0.25 * (crease((0, -91), (16, -90), 3.4) + hill(0, -104, 14, 9)),
        20: 0.3 * crease((SMILE + 8, MOUTH + 8), (SMILE + 8, -88), 4.0),
        27: 0.2 * crease((20, -46), (33, -84), 5.0),
    }
)
EMOTIONS: Mapping[str, Mapping[int, float]] = MappingProxyType(
    {
        "neutral": {},
        "happiness": {6: 0.9, 12: 1.0, 25: 0.9},
        "sadness": {1: 1.0, 4: 0.6, 7: 0.2, 15: 1.0, 17: 0.6, CLOSED: 0.2},
        "surprise": {1: 1.0, 2: 1.0, 5: 1.0, 25: 0.5, 27: 0.8},
        "fear": {1: 1.0, 2: 0.5, 4: 0.6, 5: 1.0, 20: 1.0, 25: 0.9, 26: 0.5},
        "disgust": {4: 0.5, 7: 0.6, 9: 1.0, 10: 0.9, 15: 0.4, 17: 0.4},
        "anger": {4: 1.0, 5: 0.7, 7: 0.7, 17: 0.4, 23: 1.0},
    }
)


@dataclass(frozen=True)
class Expression:
    """What a face does: pairs of an action unit and its intensity, 0 to 1, in rising order of unit."""

    units: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        for unit, intensity in self.units:
            if unit not in UNITS:
                known = ", ".join(map(str, UNITS))
                raise ValueError(f"there is no action unit {unit!r} here: give one of {known}")
            check("Expression", f"units[{unit}]", intensity, (0.0, 1.0))
        if len(dict(self.units)) < len(self.units):
            raise ValueError(f"each action unit may be given once, got {self.units!r}: add their intensities first")

    @classmethod
    def of(cls, units: Mapping[int, float]) -> Expression:
        """The expression in which each action unit has its intensity: ``{12: 0.8}`` is a smile."""
        return cls(tuple(sorted(units.items())))

    @classmethod
    def emotion(cls, name: str, intensity: float = 1.0) -> Expression:
        """One of ``EMOTIONS`` at an intensity of 0 to 1, which scales its action units alike."""
        if name not in EMOTIONS:
            raise ValueError(f"there is no emotion {name!r} here: give one of {', '.join(EMOTIONS)}")
        check("Expression", "intensity", intensity, (0.0, 1.0))
        return cls.of({unit: share * intensity for unit, share in EMOTIONS[name].items()})


def moved(skin: Floats, expression: Expression) -> Floats:
    """``skin`` with the expression's movements: float64 [rows, columns, 3], mm."""
    shape = skin.copy()
    closing = 0.0
    for unit, intensity in expression.units:
        if unit == CLOSED:
            closing = intensity
        else:
            shape += intensity * MOVES[unit]
    _meet(shape, LID, closing, _ABOVE_EYE, _BELOW_EYE)
    _meet(shape, LIP, 0.0, _ABOVE_MOUTH, _BELOW_MOUTH)
    return shape


def shadow(expression: Expression) -> Floats:
    """The share of light that the expression's furrows leave: float64 [rows, columns]."""
    light = np.ones_like(Y)
    for unit, intensity in expression.units:
        if unit in SHADOWS:
            light -= intensity * SHADOWS[unit]
    return np.maximum(light, 0.35)


_ABOVE_EYE = ~BELOW_LID * (1.0 - smooth(Y / 14.0)) * 0.85
_BELOW_EYE = BELOW_LID * (1.0 - smooth(-Y / 13.0)) * 0.15
_ABOVE_MOUTH = ~BELOW_LIP * (1.0 - smooth(DROP / 12.0)) * 0.5
_BELOW_MOUTH = BELOW_LIP * (1.0 - smooth(-DROP / 12.0)) * 0.5


def _meet(shape: Floats, edge: int, closing: float, above: Floats, below: Floats) -> None:
    # Edges that have crossed are drawn back to where they touch; ``closing`` shuts what is still open.
    gap = shape[edge, :, 1] - shape[edge + 1, :, 1]
    way = np.where(gap < 0, gap, closing * gap)
    if way.any():
        shape[..., 1] += way * (below - above)
