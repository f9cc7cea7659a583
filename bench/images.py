"""Encoded images to pixels, within bounds."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

MOST_PIXELS = 40_000_000
MOST_BYTES = 256 << 20
# Of what Pillow knows only formats that it decodes itself: an EPS would start another program.
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")


class Unreadable(Exception):
    """An image that is counted as failed; ``reason`` is short and names no file."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read(path: Path, size: tuple[int, int] | None = None) -> NDArray[uint8]:
    """Decode a file to uint8 [height, width, 3] RGB.

    Greyscale, palette, CMYK and 16-bit images are converted, 16 bits by their upper eight; transparency lies on
    black. Pixels are taken as stored, whatever an orientation tag says. ``size`` is the (height, width)
    that the protocol promises. Raises Unreadable for a file that is corrupt or cut off, over 40 megapixels or of
    another size.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Unreadable("image file over 256 MiB")
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"image file: {(error.strerror or 'not readable').lower()}") from None
    return decode(data, size)


def decode(data: bytes, size: tuple[int, int] | None = None) -> NDArray[uint8]:
    """Decode bytes as ``read`` does a file."""
    import numpy as np
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MOST_PIXELS:
            raise Unreadable(f"image over {MOST_PIXELS // 1_000_000} megapixels")
        if size is not None and (image.height, image.width) != size:
            raise Unreadable(f"image is not {size[1]}x{size[0]}")
        if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion clips it
            wide = np.asarray(image, dtype=np.int64)
            grey = (wide >> 8 if wide.max(initial=0) > 255 or ";16" in image.mode else wide).astype(np.uint8)
            grey[wide == image.info.get("transparency", -1)] = 0
            return np.repeat(grey[:, :, None], 3, axis=2)
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            layer = image.convert("RGBA")
            black = Image.new("RGBA", layer.size, (0, 0, 0, 255))
            image = Image.alpha_composite(black, layer)
        return np.asarray(image.convert("RGB"))
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        raise Unreadable(f"image over {MOST_PIXELS // 1_000_000} megapixels") from None
    except Exception:
        # Decoders raise many types for bytes that are no image; each means the same here.
        raise Unreadable("image cannot be decoded") from None
