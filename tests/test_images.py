"""Encoded images to pixels: every kind of image ends as uint8 RGB, or as a short reason that names no file."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench import images
from bench.answers import read_table
from bench.images import Unreadable, decode, read

GRADIENT = np.arange(20 * 30 * 3).reshape(20, 30, 3).astype(np.uint8)


def encoded(image: Any, form: str = "PNG", **options: Any) -> bytes:
    image = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def announcing(width: int, height: int) -> bytes:
    """A PNG that says how large it is and ends where its pixels would begin."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    end = struct.pack(">I", zlib.crc32(header)) + struct.pack(">I", 1000) + b"IDAT"
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + end


def why(data: bytes, size: tuple[int, int] | None = None) -> str:
    with pytest.raises(Unreadable) as raised:
        decode(data, size)
    assert str(raised.value) == raised.value.reason
    return raised.value.reason


# Kinds of images.


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_a_picture_that_was_kept_without_loss_comes_back_to_the_bit(form: str) -> None:
    pixels = decode(encoded(GRADIENT, form))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, GRADIENT)


def test_a_jpeg_comes_back_nearly_in_rgb_order() -> None:
    pixels = decode(encoded(np.full((16, 24, 3), (250, 120, 10), np.uint8), "JPEG", quality=95))
    assert pixels.shape == (16, 24, 3)
    assert np.abs(pixels.astype(int) - (250, 120, 10)).max() <= 4


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
def test_one_pixel_is_an_image(form: str) -> None:
    assert decode(encoded(np.full((1, 1, 3), 255, np.uint8), form)).tolist() == [[[255] * 3]]


def palette() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 100, 50, 0, 255, 0])
    image.putpixel((1, 0), 1)
    return image


WIDE = np.array([[0, 255, 256, 65535]], np.uint16)
CONVERTED = [
    ("greyscale", encoded(np.array([[7, 200]], np.uint8)), [[7] * 3, [200] * 3]),
    ("black and white", encoded(np.array([[True, False]])), [[255] * 3, [0] * 3]),
    ("palette", encoded(palette()), [[200, 100, 50], [0, 255, 0]]),
    ("palette in a GIF", encoded(palette(), "GIF"), [[200, 100, 50], [0, 255, 0]]),
    ("16-bit PNG", encoded(WIDE), [[0] * 3, [0] * 3, [1] * 3, [255] * 3]),
    ("16-bit TIFF", encoded(WIDE, "TIFF"), [[0] * 3, [0] * 3, [1] * 3, [255] * 3]),
    ("dark 16-bit PNG", encoded(np.array([[0, 200]], np.uint16)), [[0] * 3, [0] * 3]),
    ("RGBA", encoded(np.array([[[200, 100, 50, 255], [200, 100, 50, 0]]], np.uint8)), [[200, 100, 50], [0] * 3]),
    ("half transparent", encoded(np.array([[[200, 100, 50, 128]]], np.uint8)), [[100, 50, 25]]),
    ("grey with alpha", encoded(Image.merge("LA", [Image.new("L", (1, 1), v) for v in (200, 128)])), [[100] * 3]),
    ("a transparent palette entry", encoded(palette(), transparency=1), [[200, 100, 50], [0] * 3]),
    ("a half transparent palette", encoded(palette(), transparency=b"\x80\xff"), [[100, 50, 25], [0, 255, 0]]),
    ("a transparent grey", encoded(np.array([[7, 200]], np.uint8), transparency=200), [[7] * 3, [0] * 3]),
    ("a transparent 16-bit grey", encoded(WIDE[:, 2:], transparency=65535), [[1] * 3, [0] * 3]),
]


@pytest.mark.parametrize(("data", "expected"), [case[1:] for case in CONVERTED], ids=[case[0] for case in CONVERTED])
def test_every_kind_of_image_is_converted_and_transparency_lies_on_black(data: bytes, expected: list[Any]) -> None:
    pixels = decode(data)
    assert pixels.dtype == np.uint8
    assert pixels.tolist() == [expected]


def test_a_16_bit_colour_image_keeps_its_upper_eight_bits() -> None:
    rows = b"\0" + struct.pack(">6H", 0, 255, 256, 65535, 32768, 1000)
    body = b"IDAT" + zlib.compress(rows)
    header = b"IHDR" + struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, body, b"IEND")]
    assert decode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).tolist() == [[[0, 0, 1], [255, 128, 3]]]


def test_a_cmyk_jpeg_is_converted() -> None:
    pixels = decode(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert pixels.shape == (8, 8, 3)
    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 4


def test_pixels_stay_as_they_are_stored_whatever_the_orientation_note_says() -> None:
    note = Image.Exif()
    note[0x0112] = 6  # "turn by a quarter"
    np.testing.assert_array_equal(decode(encoded(GRADIENT, exif=note)), GRADIENT)


def test_of_a_moving_picture_the_first_frame_is_read() -> None:
    first, second = (Image.new("RGB", (3, 2), (v, v, v)) for v in (255, 0))
    assert (decode(encoded(first, "GIF", save_all=True, append_images=[second])) == 255).all()


# What is refused, and how.


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_an_image_cut_off_is_refused_rather_than_filled_up(form: str) -> None:
    data = encoded(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8), form)
    for kept in (0, 1, 10, 30, len(data) // 2, len(data) * 3 // 4):
        assert why(data[:kept]) == "image cannot be decoded"


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 1000, b"not an image", b"<svg></svg>", b"%PDF-1.4", b"\xff\xd8\xff\xe0" + b"\0" * 500, b"GIF89a"],
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    assert why(data) == "image cannot be decoded"


def test_a_png_with_a_flipped_bit_in_its_pixels_is_refused() -> None:
    data = bytearray(encoded(GRADIENT))
    data[data.index(b"IDAT") + 40] ^= 8
    assert why(bytes(data)) == "image cannot be decoded"


@given(st.data())
@settings(deadline=None)
def test_damage_anywhere_gives_pixels_or_a_reason_and_nothing_else(draw: st.DataObject) -> None:
    form = draw.draw(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]))
    data = bytearray(encoded(GRADIENT, form))
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pixels = decode(bytes(data))
        except Unreadable:
            return
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3


def test_forty_megapixels_are_read_and_one_row_more_is_refused() -> None:
    assert decode(encoded(Image.new("1", (8000, 5000), 1))).shape == (5000, 8000, 3)
    assert why(encoded(Image.new("1", (8000, 5001)))) == "image over 40 megapixels"


@pytest.mark.parametrize(
    "side", [(10_000, 5_000), (10_000, 10_000), (50_000, 50_000), (1 << 30, 1 << 30), (1 << 30, 1)]
)
def test_an_image_that_is_too_large_is_refused_by_its_header_alone(side: tuple[int, int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert why(announcing(*side)) == "image over 40 megapixels"


def test_an_image_of_another_size_than_promised_is_refused_by_its_header_alone() -> None:
    assert decode(encoded(GRADIENT), size=(20, 30)).shape == (20, 30, 3)
    assert why(encoded(GRADIENT), size=(30, 20)) == "image is not 20x30"
    assert why(announcing(112, 111), size=(112, 112)) == "image is not 112x112"


# Files.


def reason(path: Path) -> str:
    with pytest.raises(Unreadable) as raised:
        read(path)
    assert str(path.parent) not in raised.value.reason and path.name not in raised.value.reason
    return raised.value.reason


def test_a_file_is_read_whatever_its_name_ends_on(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(encoded(GRADIENT, "PNG"))
    np.testing.assert_array_equal(read(path), GRADIENT)
    with pytest.raises(Unreadable, match="image is not 1x2"):
        read(path, size=(2, 1))


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(tmp_path: Path) -> None:
    assert reason(tmp_path / "absent.jpg") == "image file: no such file or directory"
    assert reason(tmp_path / ("x" * 300)) == "image file: file name too long"
    (tmp_path / "folder.jpg").mkdir()
    assert reason(tmp_path / "folder.jpg") == "image file: is a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(GRADIENT))
    path.chmod(0)
    assert reason(path) == "image file: permission denied"


def test_a_file_that_is_empty_or_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    for data in (b"", encoded(GRADIENT)[:-100]):
        path.write_bytes(data)
        assert reason(path) == "image cannot be decoded"


def test_a_file_over_256_mebibytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(encoded(GRADIENT))
    os.truncate(path, images.MOST_BYTES)
    np.testing.assert_array_equal(read(path), GRADIENT)  # what follows an image does not hurt it
    os.truncate(path, images.MOST_BYTES + 1)
    assert reason(path) == "image file over 256 MiB"


def test_a_link_is_followed_and_one_that_leads_nowhere_or_round_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real.png").write_bytes(encoded(GRADIENT))
    for name, target in (("link", "real.png"), ("dangling", "absent.png"), ("round", "round")):
        (tmp_path / name).symlink_to(target)
    np.testing.assert_array_equal(read(tmp_path / "link"), GRADIENT)
    assert reason(tmp_path / "dangling") == "image file: no such file or directory"
    assert "symbolic links" in reason(tmp_path / "round")


def test_images_that_cannot_be_read_fail_alone_with_their_reason(answered_by: Any, own: Path, tmp_path: Path) -> None:
    answered_by(lambda rows, faces: rows, "whole", own)
    for image in sorted((own / "lfw" / "aligned_112").rglob("*.jpg"))[::5]:
        image.write_bytes(image.read_bytes()[:500])
    result = answered_by(lambda rows, faces: rows, "broken", own)
    assert result.reasons == {"image cannot be decoded": 4}
    before, after = (read_table(next((tmp_path / out).rglob("part-*.parquet"))) for out in ("whole", "broken"))
    kept = [not reason for reason in after["failure"]]
    assert sum(kept) == len(kept) - 4
    np.testing.assert_array_equal(before["embedding"][kept], after["embedding"][kept])
    assert np.isnan(after["embedding"][np.invert(kept)]).all()
