"""Where a head is, which way it turns and looks, how it is lit and what lies behind it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from facebench_synthetic.field import PI, Draws, Floats, Integers, cosine, sine
from facebench_synthetic.identity import check

PIVOT = np.array([0.0, -70.0, -15.0])  # the top of the neck, mm


def _angle(limit: float, default: float = 0.0) -> float:
    return field(default=default, metadata={"limits": (-limit, limit)})


@dataclass(frozen=True)
class Scene:
    """Pose, gaze, light, camera and background.

    ``yaw`` (-90 to 90) turns the nose to the picture's right, ``pitch`` (-60 to 60) upwards and ``roll`` (-90 to 90)
    clockwise; ``gaze_right`` and ``gaze_up`` (-30 to 30) turn the eyes likewise; all in degrees.  The light comes from
    ``light_right`` (-90 to 90) and ``light_up`` (-90 to 90) degrees off the camera; ``light`` (0 to 2) is its strength
    and ``ambient`` (0 to 1) that of the light from all sides; ``warmth`` runs from blue (-1) to orange (1).
    ``distance`` (300 to 5000 mm) is the camera's, whose lens keeps the face's size; ``zoom`` (0.25 to 4) changes it;
    ``right`` and ``up`` (-200 to 200 mm) move the head.  ``background`` numbers what lies behind: 0 to 2**31 - 1.
    """

    yaw: float = _angle(90.0)
    pitch: float = _angle(60.0)
    roll: float = _angle(90.0)
    gaze_right: float = _angle(30.0)
    gaze_up: float = _angle(30.0)
    light_right: float = _angle(90.0, 20.0)
    light_up: float = _angle(90.0, 30.0)
    light: float = field(default=1.0, metadata={"limits": (0.0, 2.0)})
    ambient: float = field(default=0.45, metadata={"limits": (0.0, 1.0)})
    warmth: float = _angle(1.0)
    distance: float = field(default=1200.0, metadata={"limits": (300.0, 5000.0)})
    zoom: float = field(default=1.0, metadata={"limits": (0.25, 4.0)})
    right: float = _angle(200.0)
    up: float = _angle(200.0)
    background: int = field(default=0, metadata={"limits": (0, 2**31 - 1)})

    def __post_init__(self) -> None:
        for item in fields(self):
            check("Scene", item.name, getattr(self, item.name), item.metadata["limits"])

    @classmethod
    def random(cls, seed: int, number: int, spread: float = 1.0) -> Scene:
        """Scene ``number`` of ``seed``: poses of about 20 degrees times ``spread`` (0 to 1.4), lights of all sides."""
        check("Scene.random", "spread", spread, (0.0, 1.4))
        draws = Draws(f"scene/{seed}/{number}")
        return cls(
            yaw=20.0 * spread * draws.bell(),
            pitch=9.0 * spread * draws.bell(),
            roll=6.0 * spread * draws.bell(),
            gaze_right=5.0 * spread * draws.bell(),
            gaze_up=3.0 * spread * draws.bell(),
            light_right=draws.between(-75, 75),
            light_up=draws.between(-10, 65),
            light=draws.between(0.6, 1.2),
            ambient=draws.between(0.25, 0.6),
            warmth=draws.between(-0.7, 0.7),
            distance=draws.between(600, 2400),
            background=draws.whole(2**31),
        )


def axes(scene: Scene) -> list[tuple[float, float, float]]:
    """The rows of the head's rotation: what x, y and z of the scene take from those of the head."""
    yaw, pitch, roll = (PI * angle / 180.0 for angle in (scene.yaw, scene.pitch, scene.roll))
    cy, sy, cp, sp, cr, sr = cosine(yaw), sine(yaw), cosine(pitch), sine(pitch), cosine(roll), sine(roll)
    # Pitch first, then yaw, then roll, so that a yawed face nods about its own ears.
    return [
        (cr * cy, -cr * sy * sp + sr * cp, cr * sy * cp + sr * sp),
        (-sr * cy, sr * sy * sp + cr * cp, -sr * sy * cp + cr * sp),
        (-sy, -cy * sp, cy * cp),
    ]


def turned(points: Floats, rows: list[tuple[float, float, float]]) -> Floats:
    """``points`` [..., 3] turned about the neck; each product and sum is a step of its own, in a fixed order."""
    x, y, z = points[..., 0] - PIVOT[0], points[..., 1] - PIVOT[1], points[..., 2] - PIVOT[2]
    moved: Floats = np.stack([a * x + b * y + c * z for a, b, c in rows], axis=-1) + PIVOT
    return moved


def lamp(scene: Scene) -> tuple[Floats, Floats, Floats]:
    """The direction to the light [3], its colour and that of the light from all sides [3], in linear light."""
    right, up = PI * scene.light_right / 180.0, PI * scene.light_up / 180.0
    towards = np.array([cosine(up) * sine(right), sine(up), cosine(up) * cosine(right)])
    tint = np.array([1.0 + 0.22 * scene.warmth, 1.0, 1.0 - 0.28 * scene.warmth])
    return towards, scene.light * tint, scene.ambient * np.array([1.0, 1.0, 1.0 + 0.08 * scene.warmth])


def backdrop(scene: Scene, size: int) -> Integers:
    """A gradient with soft blobs behind the head: int64 [size, size, 3], brightness times 256."""
    draws = Draws(f"background/{scene.background}")
    top, bottom = ([draws.whole(200) + 25 for _ in range(3)] for _ in range(2))
    # 32 bits hold the largest product: 255 x 256 steps of brightness times 256 of coverage.
    place = np.arange(size, dtype=np.int32)
    down = place[:, None, None]
    picture = (np.array(top, np.int32) * (size - down) + np.array(bottom, np.int32) * down) * 256 // size
    picture = np.repeat(picture, size, axis=1)
    for _ in range(2 + draws.whole(4)):
        x, y, radius = draws.whole(size), draws.whole(size), size // 10 + draws.whole(size // 2)
        colour = np.array([draws.whole(230) + 15 for _ in range(3)], np.int32) * 256
        inside = radius * radius - (place - x)[None, :] * (place - x)[None, :] - ((place - y) * (place - y))[:, None]
        share = np.maximum(inside, 0) * 200 // (radius * radius)
        picture += (colour - picture) * share[..., None] >> 8
    return picture.astype(np.int64)
