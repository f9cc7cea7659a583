"""What a method may see: records with opaque keys, and nothing else.

No record carries a label, a subject, a file name or a fold. Arrays are read-only views.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import float32, uint8
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Face:
    """One still image.

    ``pixels``: uint8 [height, width, 3], RGB, read-only. An embedder under attack also meets float32 in the same
    units, not rounded and perhaps outside of 0 to 255.
    """

    key: str
    pixels: NDArray[uint8]


@dataclass(frozen=True, slots=True)
class Clip:
    """Consecutive frames of one video.

    ``frames``: uint8 [n, height, width, 3], RGB; ``audio``: float32 [samples] in [-1, 1] or None.
    """

    key: str
    frames: NDArray[uint8]
    fps: float
    audio: NDArray[float32] | None = None
    audio_rate: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """One 3D scan, or a sequence of them (4D).

    ``vertices``: float32 [n, v, 3] in millimetres; ``triangles``: int32 [t, 3];
    ``views``: uint8 [n, view, height, width, 3], RGB.
    """

    key: str
    vertices: NDArray[Any]
    triangles: NDArray[Any]
    views: NDArray[uint8]
    fps: float = 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """A wording put to a vision-language model about one image, or about none."""

    key: str
    text: str
    options: Sequence[str] = ()
    face: Face | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A method while it is fitted: what it can answer with, and what it needs to go on.

    ``step``: counts up; ``weights``: arrays by name, all that ``restore`` needs; ``state``: arrays by name that only
    going on needs (an optimiser's, a generator's).
    """

    step: int
    weights: Mapping[str, NDArray[Any]]
    state: Mapping[str, NDArray[Any]] = field(default_factory=dict)


RECORDS: dict[str, type] = {kind.__name__: kind for kind in (Face, Clip, Scan, Question, Snapshot)}
