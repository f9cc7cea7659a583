"""Tiny procedural faces, clips and scans: drawn by code, of nobody, for conformance checks and examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.records import Clip, Face, Scan

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

DARK, LIGHT = (90, 58, 42), (245, 212, 190)
BACKGROUND, HAIR, WHITE, IRIS, LIP = (90, 100, 110), (50, 40, 35), (240, 240, 240), (40, 50, 60), (150, 70, 70)


def faces(count: int, size: tuple[int, int] = (112, 112), seed: int = 0) -> list[Face]:
    """``count`` faces of different people: uint8 [height, width, 3]; ``size`` is (height, width)."""
    return [Face(f"face-{seed}-{person}", _frozen(draw(seed * 1000 + person, size))) for person in range(count)]


def clips(count: int, frames: int = 16, size: tuple[int, int] = (112, 112), seed: int = 0) -> list[Clip]:
    """``count`` clips at 25 frames a second in which a mouth opens and closes again."""
    import numpy as np

    made = []
    for person in range(count):
        opening = [1 - abs(2 * frame / max(frames - 1, 1) - 1) for frame in range(frames)]
        images = np.stack([draw(seed * 1000 + person, size, mouth=part) for part in opening])
        made.append(Clip(f"clip-{seed}-{person}", _frozen(images), fps=25.0))
    return made


def scans(count: int, frames: int = 2, seed: int = 0) -> list[Scan]:
    """``count`` scans: an egg-like head of 200 mm, each frame with one 112x112 view."""
    import numpy as np

    latitude, longitude = np.meshgrid(np.linspace(-1, 1, 12), np.linspace(0, 2 * np.pi, 16, endpoint=False))
    ring = np.sqrt(1 - latitude**2)
    points = np.stack([70 * ring * np.cos(longitude), 100 * latitude, 80 * ring * np.sin(longitude)], axis=-1)
    first = (np.arange(16)[:, None] * 12 + np.arange(11)).reshape(-1)
    beside = (first + 12) % (16 * 12)
    triangles = np.concatenate([np.stack([first, first + 1, beside], 1), np.stack([first + 1, beside + 1, beside], 1)])
    made = []
    for person in range(count):
        wider = np.random.default_rng([seed, person]).uniform(0.9, 1.1, 3)
        vertices = np.repeat((points.reshape(1, -1, 3) * wider).astype(np.float32), frames, axis=0)
        views = np.repeat(draw(seed * 1000 + person)[None, None], frames, axis=0)
        made.append(Scan(f"scan-{seed}-{person}", vertices, triangles.astype(np.int32), views, fps=25.0))
    return made


def odd_faces(size: tuple[int, int], any_size: bool) -> dict[str, Face]:
    """Pictures without a face, and of odd sizes where a method takes any size."""
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    pictures = {
        "a flat black picture": np.zeros((*size, 3), np.uint8),
        "a flat white picture": np.full((*size, 3), 255, np.uint8),
        "a picture of noise": noise,
    }
    if any_size:
        pictures |= {f"a picture of {h}x{w} pixels": draw(0, (h, w)) for h, w in ((1, 1), (3, 500), (40, 40))}
    return {name: Face(f"odd-{i}", pixels) for i, (name, pixels) in enumerate(pictures.items())}


def odd_clips(size: tuple[int, int], any_size: bool) -> dict[str, Clip]:
    """Clips of one frame, and of frames that do not move."""
    import numpy as np

    stills = {name.replace("picture", "clip"): face.pixels for name, face in odd_faces(size, any_size).items()}
    still = {name: np.repeat(pixels[None], 6, axis=0) for name, pixels in stills.items()}
    made = {**still, "a clip of one frame": draw(0, size)[None]}
    return {name: Clip(f"odd-{i}", frames, 25.0) for i, (name, frames) in enumerate(made.items())}


def draw(person: int, size: tuple[int, int] = (112, 112), mouth: float = 0.0) -> NDArray[uint8]:
    """One person's face, the mouth open by a share of 0 to 1: uint8 [height, width, 3], RGB."""
    import numpy as np

    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float64)
    y, x = (y + 0.5) / height * 2 - 1, (x + 0.5) / width * 2 - 1
    generator = np.random.default_rng([person])
    wide, apart, low, thick = generator.uniform((0.55, 0.26, 0.36, 0.03), (0.75, 0.38, 0.5, 0.07))
    skin = np.array(DARK) + generator.uniform() * (np.array(LIGHT) - DARK)
    image = np.empty((height, width, 3))
    image[:] = BACKGROUND
    image[_ellipse(x, y, 0, -0.1, wide + 0.08, 0.95)] = HAIR
    head = _ellipse(x, y, 0, 0.05, wide, 0.85)
    image[head] = skin
    for side in (-apart, apart):
        image[_ellipse(x, y, side, -0.1, 0.13, 0.08)] = WHITE
        image[_ellipse(x, y, side, -0.1, 0.06, 0.07)] = IRIS
        image[(abs(x - side) < 0.16) & (abs(y + 0.27) < thick)] = HAIR
    image[_ellipse(x, y, 0, 0.18, 0.07, 0.16) & (x > 0)] *= 0.85
    image[_ellipse(x, y, 0, low, 0.25, 0.06 + 0.15 * mouth)] = LIP
    image[_ellipse(x, y, 0, low, 0.18, 0.12 * mouth)] = HAIR
    image *= (1 - 0.25 * x)[:, :, None]  # light from one side
    return np.clip(image, 0, 255).astype(np.uint8)


def _ellipse(x: Any, y: Any, across: float, down: float, width: float, height: float) -> Any:
    return ((x - across) / width) ** 2 + ((y - down) / max(height, 1e-9)) ** 2 < 1


def _frozen(array: Any) -> Any:
    array.flags.writeable = False
    return array
