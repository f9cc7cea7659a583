"""Pictures and landmarks of a face: the camera, the light on each vertex, and whole numbers from there on."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facebench_synthetic import raster
from facebench_synthetic.expression import shadow
from facebench_synthetic.field import Floats, Integers, smooth
from facebench_synthetic.head import COLUMNS, CORNER, INNER, LID, LIP, MIDDLE, OUTER, PLACES
from facebench_synthetic.paint import paint
from facebench_synthetic.part import PATCHES, VERTICES
from facebench_synthetic.scene import Scene, axes, backdrop, lamp, turned
from facebench_synthetic.world import TRIANGLES, Face, vertices

Frame: TypeAlias = Literal["arcface-112", "portrait"]
# The point of the head at which the camera aims, where it lies on the picture, and pixels a mm there, as shares.
FRAMES: dict[str, tuple[tuple[float, float, float], tuple[float, float], float]] = {
    "arcface-112": ((0.0, -36.0, 88.0), (56.0 / 112, 72.0 / 112), 0.5652 / 112),
    "portrait": ((0.0, -20.0, 0.0), (0.5, 0.5), 1.0 / 330),
}
_NOSE = int(np.argmin(abs(PLACES - 36.0)))
_SKIN = PATCHES["skin"]
_CORNERS = np.ascontiguousarray(TRIANGLES.T, np.int64)


def render(face: Face, size: int = 112, frame: Frame = "arcface-112") -> NDArray[np.uint8]:
    """A picture of ``face``: uint8 [size, size, 3], RGB; ``size`` is 16 to 1024 pixels.

    ``arcface-112`` frames a frontal mean face as its aligners do and follows the face as it turns; ``portrait`` shows
    the head, its hair and the shoulders.
    """
    points = vertices(face)
    pixels, depths = _projected(points, face.scene, size, frame)
    colours = _lit(points, face)
    return raster.picture(pixels, depths, colours, _CORNERS, backdrop(face.scene, size))


def landmarks(face: Face, size: int = 112, frame: Frame = "arcface-112") -> Floats:
    """Eye centres, nose tip and mouth corners, those on the picture's left first: float64 [5, 2], pixels (x, y).

    A pixel's own middle lies at half: the picture runs from 0 to ``size``.
    """
    pixels, _ = _projected(vertices(face), face.scene, size, frame)
    skin = pixels[: _SKIN.stop].reshape(-1, COLUMNS, 2)
    points = [skin[LID, MIDDLE + side * INNER] + skin[LID, MIDDLE + side * OUTER] for side in (-1, 1)]
    points.append(2 * skin[_NOSE, MIDDLE])
    points.extend(2 * skin[LIP, MIDDLE + side * CORNER] for side in (-1, 1))
    return np.stack(points) / (2.0 * raster.SUBPIXEL)


def _projected(points: Floats, scene: Scene, size: int, frame: str) -> tuple[Integers, Integers]:
    if frame not in FRAMES:
        raise ValueError(f"there is no frame {frame!r}: give one of {', '.join(FRAMES)}")
    if not 16 <= size <= 1024:
        raise ValueError(f"size must be 16 to 1024 pixels, got {size!r}: give a size in that range")
    centre, place, scale = FRAMES[frame]
    aim = turned(np.array(centre), axes(scene)) if frame == "arcface-112" else np.array(centre)
    depth = np.maximum(scene.distance - (points[:, 2] - aim[2]), 1.0)
    grow = scale * size * scene.zoom * scene.distance / depth
    x = place[0] * size + (points[:, 0] - aim[0]) * grow
    y = place[1] * size - (points[:, 1] - aim[1]) * grow
    pixels = np.stack([x, y], axis=-1)
    return np.rint(pixels * raster.SUBPIXEL).astype(np.int64), np.rint(depth * 256.0).astype(np.int64)


def _normals(points: Floats) -> Floats:
    normals = np.empty_like(points)
    for patch in PATCHES.values():
        inside = slice(patch.first, patch.stop)
        grid = points[inside].reshape(patch.rows, patch.columns, 3)
        wide = np.concatenate([grid[:, -1:], grid, grid[:, :1]], axis=1) if patch.closed else _edged(grid, 1)
        tall = _edged(grid, 0)
        right, down = wide[:, 2:] - wide[:, :-2], tall[2:] - tall[:-2]
        normal = np.stack(
            [
                down[..., (i + 1) % 3] * right[..., (i + 2) % 3] - down[..., (i + 2) % 3] * right[..., (i + 1) % 3]
                for i in range(3)
            ],
            axis=-1,
        )
        if patch is _SKIN:
            for edge, slit in ((LID, _EYE_SLIT), (LIP, _MOUTH_SLIT)):
                both = normal[edge] + normal[edge + 1]
                normal[edge], normal[edge + 1] = (np.where(slit, normal[row], both) for row in (edge, edge + 1))
        normals[inside] = normal.reshape(-1, 3)
    length = np.sqrt(_dot(normals, normals))
    return normals / np.maximum(length, 1e-9)[:, None]


def _edged(grid: Floats, axis: int) -> Floats:
    if axis == 0:
        return np.concatenate([grid[:1], grid, grid[-1:]], axis=0)
    return np.concatenate([grid[:, :1], grid, grid[:, -1:]], axis=1)


def _dot(left: Floats, right: Floats) -> Floats:
    return left[..., 0] * right[..., 0] + left[..., 1] * right[..., 1] + left[..., 2] * right[..., 2]


_DISTANCE = abs(np.arange(COLUMNS) - MIDDLE)
_EYE_SLIT = ((_DISTANCE > INNER) & (_DISTANCE < OUTER))[:, None]
_MOUTH_SLIT = (_DISTANCE < CORNER)[:, None]


def _lit(points: Floats, face: Face) -> Integers:
    """What each vertex shows on a screen: int64 [vertices, 3], brightness times 256."""
    colour, openness, gloss = paint(face.identity)
    normals = _normals(points)
    towards, light, ambient = lamp(face.scene)
    furrows = np.ones(VERTICES)
    furrows[: _SKIN.stop] = shadow(face.expression).reshape(-1)
    facing = _dot(normals, towards)
    # Light wraps a little around skin, and light from all sides comes more from above than from below.
    direct = smooth(np.clip((facing + 0.25) / 1.25, 0.0, 1.0)) * (0.4 + 0.6 * openness) * furrows
    around = (0.72 + 0.28 * normals[:, 1]) * openness * furrows
    half = towards + np.array([0.0, 0.0, 1.0])
    shine = np.maximum(_dot(normals, half / np.sqrt(_dot(half, half))), 0.0)
    for _ in range(4):
        shine = shine * shine
    shine = shine * gloss * openness
    channels = []
    for channel in range(3):
        seen = colour[channel] * (around * ambient[channel] + direct * light[channel]) + shine * light[channel]
        channels.append(np.sqrt(np.clip(0.8 * seen, 0.0, 1.0)))
    return np.rint(np.stack(channels, axis=-1) * (255.0 * 256.0)).astype(np.int64)
