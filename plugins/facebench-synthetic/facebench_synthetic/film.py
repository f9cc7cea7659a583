"""Faces filmed: a head that never keeps quite still, what happens to it, and the noise of a sensor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facebench_synthetic.event import Event, played
from facebench_synthetic.field import Draws, Floats, curve
from facebench_synthetic.identity import Identity
from facebench_synthetic.scene import Scene
from facebench_synthetic.view import render
from facebench_synthetic.world import Face

# How far a head at rest wanders, one deviation: degrees, and mm for the last two; and every how many seconds it turns.
WANDERS = {"yaw": 0.8, "pitch": 0.6, "roll": 0.4, "gaze_right": 1.5, "gaze_up": 1.0, "right": 0.6, "up": 0.6}
TURNS = 1.2
NOISE = 1.5  # one deviation of a pixel's noise, in steps of brightness
_SPREAD = 147.8  # that of a sum of four bytes
_SHIFT = 12


@dataclass(frozen=True)
class Film:
    """A clip that can be drawn: who, where at its middle, what happens in which frames.

    ``name`` seeds the head's motion and the sensor's noise; ``length``: frames.
    """

    name: str
    identity: Identity
    scene: Scene
    fps: float
    length: int
    events: tuple[Event, ...]


def faces(film: Film) -> Iterator[Face]:
    """The face of each frame."""
    paths = {attribute: _path(film, attribute) for attribute in WANDERS}
    for frame in range(film.length):
        moved = {name: getattr(film.scene, name) + float(path[frame]) for name, path in paths.items()}
        yield Face(film.identity, played(film.events, frame), replace(film.scene, **moved))


def _path(film: Film, attribute: str) -> Floats:
    """How far off its middle an attribute is in each frame: a smooth curve through places drawn at random."""
    draws = Draws(f"motion/{film.name}/{attribute}")
    step = TURNS * film.fps
    places = [(n * step, WANDERS[attribute] * draws.bell()) for n in range(int(film.length / step) + 2)]
    return curve(np.arange(film.length).astype(np.float64), places)


def pictures(film: Film, step: int = 1) -> Iterator[NDArray[np.uint8]]:
    """Every ``step``-th frame with its sensor's noise, drawn when asked for: uint8 [112, 112, 3], RGB."""
    for frame, face in enumerate(faces(film)):
        if frame % step == 0:
            yield noisy(render(face), f"{film.name}/{frame}")


def noisy(picture: NDArray[np.uint8], seed: str) -> NDArray[np.uint8]:
    """A picture with bell-shaped noise on each value, in whole numbers: the same bytes on every machine."""
    key = np.frombuffer(hashlib.sha256(f"noise/{seed}".encode()).digest()[:4], "<u4")[0]
    # 32 bits wrap around alike everywhere; each step mixes high bits into low ones and back.
    mixed = np.arange(picture.size, dtype=np.uint32) * np.uint32(2654435769) ^ key
    for factor in (73244475, 295559667):
        mixed = (mixed ^ mixed >> np.uint32(16)) * np.uint32(factor)
    mixed ^= mixed >> np.uint32(15)
    total = sum((mixed >> np.uint32(8 * byte) & np.uint32(255)).astype(np.int32) for byte in range(4)) - 510
    scale = round(NOISE / _SPREAD * (1 << _SHIFT))
    noise = total * scale + (1 << _SHIFT - 1) >> _SHIFT
    return np.clip(picture + noise.reshape(picture.shape), 0, 255).astype(np.uint8)
