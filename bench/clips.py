"""Frames of a video to a Clip: numbered images of a folder, or a video file, read when asked for and within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import images
from bench.errors import NeedsInstall
from bench.images import Unreadable
from bench.records import Clip

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

MOST_BYTES = 4 << 30
MOST_FRAMES = 1_000_000
NUMBER = re.compile(r"(\d+)$", re.ASCII)
PICTURES = {".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
VIDEOS = (".avi", ".mkv", ".mov", ".mp4")
# A playlist could make FFmpeg read other files or the network.
CONTAINED = {"protocol_whitelist": "file", "format_whitelist": "avi,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2"}


@dataclass(frozen=True, slots=True)
class Cut:
    """Which frames of a video are read: from number ``first`` to ``last`` (None: to its end), every ``step``-th.

    ``fps``: of the frames that are read. ``shorter``: pixels that the shorter side is brought down to; 0 leaves it.
    ``base``: the number of a video file's first frame.
    """

    fps: float
    first: int = 0
    last: int | None = None
    step: int = 1
    shorter: int = 0
    base: int = 0

    def wanted(self, end: int) -> range:
        """The numbers of the frames, where the last that there is has number ``end``."""
        return range(self.first, (end if self.last is None else min(self.last, end)) + 1, self.step)


def read(source: Path, key: str, cut: Cut) -> Clip:
    """Frames of a folder of numbered images, or of a video file.

    A number that a folder lacks is filled with the next image that it has, so that frames keep their numbers. Raises
    Unreadable where there is no frame, one cannot be decoded or has another size, or all take over 4 GiB, and
    NeedsInstall where PyAV is needed and not installed.
    """
    import numpy as np

    pictures = _pictures(source, cut) if source.is_dir() else _decoded(source, cut)
    frames: list[NDArray[uint8]] = []
    held = 0
    for picture in pictures:
        frames.append(_smaller(picture, cut.shorter))
        held += frames[-1].nbytes
        if held > MOST_BYTES or len(frames) > MOST_FRAMES:
            raise Unreadable(f"clip over {MOST_BYTES >> 30} GiB")
        if frames[-1].shape != frames[0].shape:
            raise Unreadable("frames of unequal size")
    if not frames:
        raise Unreadable("clip without frames")
    stacked = np.stack(frames)
    stacked.flags.writeable = False
    return Clip(key, stacked, cut.fps)


def numbered(folder: Path) -> dict[int, Path]:
    """The images of a folder by the number that their names end with."""
    found = {}
    for path in folder.iterdir():
        number = NUMBER.search(path.stem)
        if number and path.suffix.lower() in PICTURES:
            found[int(number[1])] = path
    return dict(sorted(found.items()))


def _pictures(folder: Path, cut: Cut) -> Iterator[NDArray[uint8]]:
    there = numbered(folder)
    numbers = list(there)
    wanted = cut.wanted(numbers[-1]) if numbers else range(0)
    if len(wanted) > MOST_FRAMES:
        raise Unreadable(f"clip of over {MOST_FRAMES:,} frames")
    place = 0
    for number in wanted:
        while numbers[place] < number:
            place += 1
        yield images.read(there[numbers[place]])


def _decoded(path: Path, cut: Cut) -> Iterator[NDArray[uint8]]:
    try:
        import av
    except ModuleNotFoundError:
        do = "pip install 'facebench[video]' -c constraints.txt"
        raise NeedsInstall(f"{path} was read.", "PyAV (av) is not installed.", do) from None
    try:
        with av.open(str(path), options=CONTAINED) as video:
            for number, frame in enumerate(video.decode(video=0), cut.base):
                if cut.last is not None and number > cut.last:
                    return
                if frame.width * frame.height > images.MOST_PIXELS:
                    raise Unreadable(f"image over {images.MOST_PIXELS // 1_000_000} megapixels")
                if number >= cut.first and (number - cut.first) % cut.step == 0:
                    picture: Any = frame.to_ndarray(format="rgb24")
                    yield picture
    except (OSError, av.FFmpegError, IndexError) as error:
        raise Unreadable(f"video cannot be decoded: {type(error).__name__}") from None


def _smaller(picture: NDArray[uint8], shorter: int) -> Any:
    import numpy as np
    from PIL import Image

    height, width = picture.shape[:2]
    if not shorter or min(height, width) <= shorter:
        return picture
    scale = shorter / min(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
