"""Faces, their meshes, and series of faces whose truth is known exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from facebench_synthetic import part, shape
from facebench_synthetic.event import Event, played
from facebench_synthetic.expression import MOVES, Expression, moved
from facebench_synthetic.field import PI, Floats, sine, smooth
from facebench_synthetic.head import LIP, MIDDLE, SLITS
from facebench_synthetic.identity import Identity
from facebench_synthetic.part import HEAD_VERTICES, PATCHES, VERTICES, Eye
from facebench_synthetic.scene import Scene, axes, lamp, turned

_EYEBALL = 12.0  # mm from an eye's middle to its front
_JAW_UNITS = (26, 27)


@dataclass(frozen=True)
class Face:
    """A synthetic person doing something somewhere: all that a picture needs."""

    identity: Identity = field(default_factory=Identity)
    expression: Expression = field(default_factory=Expression)
    scene: Scene = field(default_factory=Scene)


def _triangles() -> NDArray[np.int32]:
    parts = {name: patch.triangles(SLITS if name == "skin" else None) for name, patch in PATCHES.items()}
    within = parts["curtain"][:, ::-1]  # hair is seen from within as well
    triangles = np.concatenate([within, *parts.values()]).astype(np.int32)
    triangles.flags.writeable = False
    return triangles


TRIANGLES = _triangles()
HEAD_TRIANGLES = TRIANGLES[TRIANGLES.max(axis=1) < HEAD_VERTICES]
HEAD_TRIANGLES.flags.writeable = False


def vertices(face: Face) -> Floats:
    """All vertices of a face in the pose of its scene: float64 [vertices, 3], mm."""
    identity, scene = face.identity, face.scene
    rest = shape.skin(identity)
    skin = moved(rest, face.expression)
    points = np.empty((VERTICES, 3))

    def put(name: str, grid: Floats) -> None:
        points[PATCHES[name].first : PATCHES[name].stop] = grid.reshape(-1, 3)

    look = tuple(_EYEBALL * sine(PI * angle / 180.0) for angle in (scene.gaze_right, scene.gaze_up))
    light = lamp(scene)[0]
    for side, name in ((-1, "left"), (1, "right")):
        eye = Eye(rest, side)
        eye.covered(skin)
        put(f"{name} eye", eye.ball((look[0], look[1]), 1.0 + 0.02 * identity.eye_size))
        put(f"{name} glint", eye.glint((look[0], look[1]), (0.5 * float(light[0]), 0.25 + 0.4 * float(light[1]))))
        put(f"{name} ear", part.ear(rest, side, 1.0 + 0.05 * identity.ear_size))
    jaw = np.zeros(3)
    for unit, intensity in face.expression.units:
        if unit in _JAW_UNITS:
            jaw = jaw + intensity * MOVES[unit][LIP + 1, MIDDLE]
    put("skin", skin)
    put("mouth", part.mouth(skin))
    put("upper teeth", part.teeth(rest, skin, np.zeros(3), upper=True))
    put("lower teeth", part.teeth(rest, skin, jaw, upper=False))
    put("curtain", part.curtain(rest, identity.hair, part.strands(identity.pattern)))
    return _posed(points, scene)


def _posed(points: Floats, scene: Scene) -> Floats:
    posed = turned(points, axes(scene))
    skin, hair = PATCHES["skin"], PATCHES["curtain"]
    for patch, stays in (
        (skin, 1.0 - shape.HEAD.reshape(-1)),
        (hair, smooth((-60.0 - points[hair.first : hair.stop, 1]) / 120.0)),
    ):
        inside = slice(patch.first, patch.stop)
        posed[inside] += stays[:, None] * (points[inside] - posed[inside])
    posed += np.array([scene.right, scene.up, 0.0])
    return posed


def mesh(face: Face) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The head as a mesh in the pose of its scene: float32 [vertices, 3] in mm and int32 [triangles, 3].

    Every face has the same triangles, so that vertex ``i`` is the same place on every head.  The triangles turn left as
    seen from outside; those of long hair come in both directions, and shrink to a point where hair is short.
    """
    return vertices(face)[:HEAD_VERTICES].astype(np.float32), HEAD_TRIANGLES


def clip(
    identity: Identity,
    scene: Scene,
    action_unit: int,
    onset: int,
    apex: int,
    offset: int,
    length: int,
    intensity: float = 1.0,
) -> list[Face]:
    """``length`` frames in which one action unit rises from ``onset`` to ``apex`` and is gone again at ``offset``.

    Frames are counted from 0.  The face is neutral up to and at ``onset`` and from ``offset`` on, and its action unit
    reaches ``intensity`` (0 to 1) at ``apex`` alone.
    """
    if not 0 <= onset < apex < offset < length:
        raise ValueError(
            f"onset, apex and offset must rise within the clip's {length} frames, got {onset}, {apex} and {offset}: "
            "give 0 <= onset < apex < offset < length"
        )
    event = Event(onset, apex, offset, Expression.of({action_unit: intensity}))
    return [Face(identity, played([event], frame), scene) for frame in range(length)]


def sweep(face: Face, attribute: str, values: Iterable[float]) -> Iterator[Face]:
    """``face`` with each of ``values`` for one coefficient of its identity or scene, all else held."""
    for owner in ("identity", "scene"):
        known = [item.name for item in fields(getattr(face, owner))]
        if attribute in known:
            return (replace(face, **{owner: replace(getattr(face, owner), **{attribute: value})}) for value in values)
    known = [item.name for kind in (Identity, Scene) for item in fields(kind)]
    raise ValueError(f"a face has no attribute {attribute!r} to sweep: give one of {', '.join(known)}")
