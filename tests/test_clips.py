"""Frames of folders and videos become clips, cut as asked, and what cannot be read is a failure with a reason."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from bench import clips
from bench.clips import Cut
from bench.errors import NeedsInstall
from bench.images import Unreadable


def folder(path: Path, sizes: dict[int, int]) -> Path:
    path.mkdir()
    for number, side in sizes.items():
        Image.fromarray(np.full((side, 2 * side), number * 10, np.uint8)).save(path / f"frame_{number}.png")
    return path


def video(path: Path, count: int) -> Path:
    """Frames whose grey is ten times their number, encoded without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "gray"
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((16, 32), number * 10, np.uint8), format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def greys(clip: object) -> list[int]:
    return [int(grey) for grey in clip.frames[:, 0, 0, 0]]  # type: ignore[attr-defined]


def test_a_folder_is_cut_from_first_to_last_in_steps(tmp_path: Path) -> None:
    made = folder(tmp_path / "a", dict.fromkeys(range(1, 12), 8))
    clip = clips.read(made, "k", Cut(25.0, first=2, last=9, step=3))
    assert greys(clip) == [20, 50, 80]
    assert (clip.key, clip.fps, clip.frames.shape) == ("k", 25.0, (3, 8, 16, 3))
    assert not clip.frames.flags.writeable


def test_numbers_are_sorted_as_numbers_and_the_end_is_the_last_there_is(tmp_path: Path) -> None:
    made = folder(tmp_path / "a", dict.fromkeys((9, 10, 11), 8))
    (made / "notes.txt").write_text("11")
    assert greys(clips.read(made, "k", Cut(25.0, first=9, last=99))) == [90, 100, 110]


def test_a_number_that_is_not_there_is_filled_with_the_next_image(tmp_path: Path) -> None:
    made = folder(tmp_path / "a", dict.fromkeys((1, 4, 5), 8))
    assert greys(clips.read(made, "k", Cut(25.0, first=0))) == [10, 10, 40, 40, 40, 50]


def test_a_video_is_cut_as_a_folder_is(tmp_path: Path) -> None:
    made = video(tmp_path / "v.mkv", 12)
    assert greys(clips.read(made, "k", Cut(25.0, first=2, last=9, step=3))) == [20, 50, 80]
    assert greys(clips.read(made, "k", Cut(25.0, first=3, last=4, base=1))) == [20, 30]
    assert len(clips.read(made, "k", Cut(25.0)).frames) == 12


def test_the_shorter_side_is_brought_down_and_never_up(tmp_path: Path) -> None:
    made = folder(tmp_path / "a", dict.fromkeys(range(3), 8))
    assert clips.read(made, "k", Cut(25.0, shorter=4)).frames.shape == (3, 4, 8, 3)
    assert clips.read(made, "k", Cut(25.0, shorter=400)).frames.shape == (3, 8, 16, 3)


def test_what_is_no_clip_has_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty, uneven = folder(tmp_path / "a", {}), folder(tmp_path / "b", {1: 8, 2: 9})
    whole = folder(tmp_path / "c", {1: 8, 2: 8})
    broken = folder(tmp_path / "d", {1: 8})
    (broken / "frame_2.png").write_bytes(b"no image")
    text = tmp_path / "e.mp4"
    text.write_bytes(b"no video")
    playlist = tmp_path / "f.mp4"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\n{video(tmp_path / 'v.mkv', 3)}\n#EXT-X-ENDLIST\n")
    monkeypatch.setattr(clips, "MOST_BYTES", 400)
    for source, reason in (
        (empty, "clip without frames"),
        (whole, "clip over 0 GiB"),
        (broken, "image cannot be decoded"),
        (text, "video cannot be decoded"),
        (playlist, "video cannot be decoded"),
        (tmp_path / "absent.mp4", "video cannot be decoded"),
    ):
        with pytest.raises(Unreadable, match=reason):
            clips.read(source, "k", Cut(25.0, first=1))
    monkeypatch.setattr(clips, "MOST_BYTES", 4000)
    with pytest.raises(Unreadable, match="frames of unequal size"):
        clips.read(uneven, "k", Cut(25.0, first=1))


def test_numbers_far_apart_do_not_make_an_endless_clip(tmp_path: Path) -> None:
    made = folder(tmp_path / "a", {0: 8})
    (made / "frame_0.png").rename(made / "frame_99999999999.png")
    with pytest.raises(Unreadable, match="clip of over 1,000,000 frames"):
        clips.read(made, "k", Cut(25.0))


def test_what_reads_a_video_is_named_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = video(tmp_path / "v.mkv", 3)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(NeedsInstall, match=r"'facebench\[video\]'"):
        clips.read(made, "k", Cut(25.0))
