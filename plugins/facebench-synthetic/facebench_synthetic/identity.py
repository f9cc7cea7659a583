"""Who a head belongs to: the coefficients of its shape and colours."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from facebench_synthetic.field import Draws

SHAPE = (-3.0, 3.0)
SHARE = (0.0, 1.0)


def check(owner: str, name: str, value: float, limits: tuple[float, float]) -> None:
    """Raises ValueError unless ``value`` lies within ``limits``."""
    low, high = limits
    if not low <= value <= high:
        raise ValueError(f"{owner}.{name} must be {low:g} to {high:g}, got {value!r}: give a value in that range")


def _shape() -> float:
    return field(default=0.0, metadata={"limits": SHAPE})


def _share(default: float) -> float:
    return field(default=default, metadata={"limits": SHARE})


@dataclass(frozen=True)
class Identity:
    """A synthetic person: shape coefficients in spreads of the population (-3 to 3), and looks.

    ``skin_tone`` runs from fair (0) to dark (1), ``hair_colour`` from blond (0) to black (1), ``eye_colour`` from blue
    (0) to dark brown (1), ``hair`` from bald (0) over short (0.3) to long (1), ``brow_weight``, ``redness``, ``lips``
    (their colour), ``freckles`` and ``beard`` from none or little (0) to much (1).  ``age`` is 18 to 90 years, by looks
    alone.  ``pattern`` numbers the person's moles, freckles and strands: 0 to 2**31 - 1.
    """

    skull_width: float = _shape()
    skull_height: float = _shape()
    face_length: float = _shape()
    forehead: float = _shape()
    jaw_width: float = _shape()
    chin_length: float = _shape()
    chin_depth: float = _shape()
    cheekbones: float = _shape()
    fullness: float = _shape()
    nose_length: float = _shape()
    nose_width: float = _shape()
    nose_bridge: float = _shape()
    nose_tip: float = _shape()
    eye_spacing: float = _shape()
    eye_size: float = _shape()
    eye_opening: float = _shape()
    eye_slant: float = _shape()
    brow_height: float = _shape()
    brow_depth: float = _shape()
    mouth_width: float = _shape()
    mouth_height: float = _shape()
    upper_lip: float = _shape()
    lower_lip: float = _shape()
    ear_size: float = _shape()
    skin_tone: float = _share(0.3)
    redness: float = _share(0.4)
    lips: float = _share(0.5)
    eye_colour: float = _share(0.6)
    hair_colour: float = _share(0.7)
    hair: float = _share(0.35)
    brow_weight: float = _share(0.5)
    freckles: float = _share(0.0)
    beard: float = _share(0.0)
    age: float = field(default=30.0, metadata={"limits": (18.0, 90.0)})
    pattern: int = field(default=0, metadata={"limits": (0, 2**31 - 1)})

    def __post_init__(self) -> None:
        for item in fields(self):
            check("Identity", item.name, getattr(self, item.name), item.metadata["limits"])

    @classmethod
    def random(cls, seed: int, number: int) -> Identity:
        """Person ``number`` of the population ``seed``: the same on every machine."""
        draws = Draws(f"identity/{seed}/{number}")
        shape = {item.name: draws.bell() for item in fields(cls) if item.metadata["limits"] == SHAPE}
        tone = draws.between(0, 1)
        return cls(
            **shape,
            skin_tone=tone,
            redness=draws.between(0, 1),
            lips=draws.between(0, 1),
            # Pigment goes together: dark skin comes with dark eyes and hair.
            eye_colour=draws.between(min(tone, 0.85), 1),
            hair_colour=draws.between(min(1.2 * tone, 0.9), 1),
            hair=draws.between(0, 1),
            brow_weight=draws.between(0, 1),
            freckles=max(0.0, draws.between(-1.5, 1)),
            beard=max(0.0, draws.between(-2, 1)),
            age=min(draws.between(18, 80), draws.between(18, 80)),
            pattern=draws.whole(2**31),
        )
