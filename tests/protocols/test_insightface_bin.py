"""InsightFace's packed sets: what a .bin may hold, that a hostile one does nothing, that no score changes."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import re
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import bench
from bench import images
from bench.answers import read_table
from bench.errors import DataDamaged, DataMissing
from bench.protocols import PROTOCOLS, insightface_bin, lfw
from bench.protocols.insightface_bin import read_bin, read_pairs

BIN = PROTOCOLS["verification/lfw/bin"]
ALIGNED = PROTOCOLS["verification/lfw/view2-arcface112"]
SETS = {"lfw": 6000, "agedb-30": 6000, "cfp-fp": 7000, "calfw": 6000, "cplfw": 6000}
SAME = [True, False] * 5


def encoded(number: int, kind: str = "JPEG", side: int = 112) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).resize((side, side)).save(out, kind)
    return out.getvalue()


IMAGES = [encoded(i) for i in range(20)]


def written(folder: Path, data: bytes) -> Path:
    path = folder / "lfw.bin"
    path.write_bytes(data)
    return path


def held(path: Path) -> tuple[list[bytes], list[bool]]:
    """What a .bin holds, its images as the bytes that they stand for."""
    blobs, same = read_bin(path, len(SAME))
    data = path.read_bytes()
    parts = [(data[blob.offset : blob.offset + blob.length], blob.kind) for blob in blobs]
    return [part.decode().encode("latin-1") if kind == "latin1" else part for part, kind in parts], same


def packed(found: list[bytes], pairs: int) -> bytes:
    """So many pairs, the same ones over and over; a pickle holds each image once and recalls it."""
    times = pairs // len(SAME)
    return pickle.dumps((found * times, SAME * times), 4)


def refusal(folder: Path, data: bytes) -> str:
    path = written(folder, data)
    with pytest.raises(DataDamaged) as raised:
        read_bin(path, len(SAME))
    assert str(path) in raised.value.asked
    assert "nothing in it was executed" in raised.value.do
    return raised.value.found


def python2(found: list[bytes], same: list[bool]) -> bytes:
    """As Python 2's cPickle writes it under protocol 2: images as its strings, by BINSTRING and SHORT_BINSTRING."""
    out = b"\x80\x02]q\x01("
    for image in found:
        out += (b"U" + bytes([len(image)]) if len(image) < 256 else b"T" + struct.pack("<i", len(image))) + image
        out += b"r\x00\x01\x00\x00"
    return out + b"e]q\x02(" + b"".join(b"\x88" if one else b"\x89" for one in same) + b"e\x86q\x03."


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "pack", [list, tuple, lambda same: [int(one) for one in same], lambda same: list(np.array(same))]
)
def test_what_was_packed_is_read_whatever_protocol_it_has(protocol: int, pack: Any, tmp_path: Path) -> None:
    for packed in ((IMAGES, pack(SAME)), [tuple(IMAGES), pack(SAME)]):
        assert held(written(tmp_path, pickle.dumps(packed, protocol))) == (IMAGES, SAME)


def test_strings_of_python_2_are_bytes(tmp_path: Path) -> None:
    short = [b"short\xff", *IMAGES[1:]]
    assert held(written(tmp_path, python2(short, SAME))) == (short, SAME)


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_booleans_of_numpy_are_read_from_before_and_after_its_second_version(core: bytes, tmp_path: Path) -> None:
    data = pickle.dumps((IMAGES, list(np.array(SAME))), 2)
    assert held(written(tmp_path, data.replace(b"numpy._core", core))) == (IMAGES, SAME)


@pytest.mark.parametrize("protocol", [2, 4])
def test_samples_are_the_images_folds_follow_the_file_and_nobody_is_named(protocol: int, tmp_path: Path) -> None:
    (tmp_path / "lfw").mkdir()
    found = [encoded(i, "PNG") for i in range(40)]
    written(tmp_path / "lfw", pickle.dumps((found, SAME * 2), protocol))
    content = read_pairs(tmp_path, "lfw", 20, BIN.name)
    pixels = {one.name: one.read(one.key).pixels for one in content.samples}
    assert sorted(pixels) == [f"{i:05d}{side}" for i in range(20) for side in "ab"]
    for i, name in enumerate(sorted(pixels)):
        assert (pixels[name] == images.decode(found[i])).all()
    truth, names = content.truth, [one.name for one in content.samples]
    assert [names[i] for i in truth.reference] == [f"{i:05d}a" for i in range(20)]
    assert truth.fold.tolist() == [i // 2 for i in range(20)]
    assert truth.mated.tolist() == SAME * 2
    assert (truth.subjects[truth.reference] == truth.subjects[truth.probe]).tolist() == SAME * 2
    assert len(set(truth.subjects.tolist())) == 10 + 2 * 10, "no person is in two pairs"
    assert content.trials_sha256 != BIN.trials_sha256


@pytest.mark.parametrize("name", SETS)
def test_another_count_of_pairs_than_the_set_has_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    protocol, known = PROTOCOLS[f"verification/{name}/bin"], SETS[name]
    for pairs in {6000, 7000, known - 10} - {known}:
        (tmp_path / name / f"{name}.bin").write_bytes(packed(IMAGES, pairs))
        with pytest.raises(DataDamaged) as raised:
            protocol.read(tmp_path)
        assert raised.value.found == f"It has {pairs:,} pairs, not {known:,}."
        assert f"{2 * known:,} images and {known:,} booleans" in raised.value.do
    (tmp_path / name / f"{name}.bin").write_bytes(packed(IMAGES, known))
    assert protocol.read(tmp_path).truth.folds() == list(range(10))


def test_what_is_no_image_or_of_another_size_is_a_failure_that_is_counted(tmp_path: Path) -> None:
    (tmp_path / "lfw").mkdir()
    path = written(tmp_path / "lfw", packed([b"no image", b"", encoded(2, side=96), *IMAGES[3:]], 6000))
    (result,) = bench.run(BIN.name, "toy", data=tmp_path, out=tmp_path / "out", limit=20)
    assert (result.samples, result.failures) == (40, 30), "a fold's first mated and first non-mated pair"
    assert result.reasons == {"image cannot be decoded": 20, "image is not 112x112": 10}
    sample = BIN.read(tmp_path).samples[0]
    path.unlink()
    with pytest.raises(images.Unreadable, match="no such file"):
        sample.read(sample.key)


def packed_lfw(root: Path) -> tuple[list[Path], list[bool]]:
    """The aligned images under a data root in the order of their pairs."""
    rows = lfw.read_pairs(root / "lfw" / "pairs.txt")
    files = ALIGNED.read(root).files
    return [files[name] for _, *pair, _ in rows for name in map(str, pair)], [mated for *_, mated in rows]


def test_a_method_scores_the_same_pairs_as_from_files(own: Path, tmp_path: Path) -> None:
    pairs = [f"Person_{i % 8}\t1\t2\nPerson_{i % 8}\t1\tPerson_{(i + 1) % 8}\t2\n" for i in range(10)]
    (own / "lfw" / "pairs.txt").write_text("10\t1\n" + "".join(pairs))
    files, same = packed_lfw(own)
    found = [file.read_bytes() for file in files]
    # A fold's two pairs 300 times, of which a limit of 20 keeps the first.
    found = [image for fold in range(10) for image in found[4 * fold : 4 * fold + 4] * 300]
    written(own / "lfw", pickle.dumps((found, same * 300), 4))
    unpacked, again = bench.run([ALIGNED.name, BIN.name], "toy", data=own, out=tmp_path / "out", limit=20)
    tables = [read_table(next((tmp_path / "out").rglob(f"*{part}*/**/trials.parquet"))) for part in ("view2", "bin")]
    for column in ("trial", "fold", "mated", "score"):
        assert tables[0][column].tolist() == tables[1][column].tolist(), column
    for one, other in zip(unpacked.scores, again.scores, strict=True):
        if one.metric != "fte":  # an image of two pairs is there twice
            assert (one.metric, one.value, one.folds) == (other.metric, other.value, other.folds)
    assert not again.official


def test_every_set_has_its_protocol_and_asks_what_lfw_asks() -> None:
    assert [one.name for one in insightface_bin.PROTOCOLS] == [f"verification/{name}/bin" for name in SETS]
    for one, pairs in zip(insightface_bin.PROTOCOLS, SETS.values(), strict=True):
        assert one.metrics == ALIGNED.metrics
        assert f"{pairs:,} pairs" in one.about
        assert (one.trials_sha256 == "") == ("not pinned" in one.about) == (one is not BIN)
        assert not one.trains and one.inputs == "arcface-112"


@pytest.mark.parametrize("name", SETS)
def test_an_absent_file_names_every_place_it_may_lie_in_and_any_of_them_does(name: str, tmp_path: Path) -> None:
    protocol = PROTOCOLS[f"verification/{name}/bin"]
    spelt = {name, name.replace("-", "_")}
    with pytest.raises(DataMissing) as raised:
        protocol.read(tmp_path)
    prints = set()
    for path in [tmp_path / folder / f"{file}.bin" for folder in spelt for file in spelt]:
        assert str(path) in raised.value.found
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(packed(IMAGES, SETS[name]))
        content = protocol.read(tmp_path)
        assert content.files == {f"{name}.bin": path}
        prints.add(content.fingerprint())
        path.unlink()
    assert len(prints) == 1


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ((IMAGES[:-1], SAME), "odd count of images, 19"),
        ((IMAGES[:-2], SAME), "18 images and 10 booleans"),
        ((IMAGES[:18], SAME[:9]), "9 pairs, not 10"),
        ((IMAGES * 2, SAME * 2), "20 pairs, not 10"),
        (([], []), "0 pairs"),
        ((IMAGES, [True] * 10), "all of one kind"),
        ((IMAGES, [*SAME[:-1], 2]), "boolean 9"),
        ((["text"] * 20, SAME), "image 0 is no string of bytes"),
        (([*IMAGES[:-1], SAME], SAME), "image 19"),
        ((IMAGES, SAME, SAME), "not two lists"),
        (None, "not two lists"),
        ((IMAGES, np.array(SAME)), "numpy"),
        ((IMAGES, [np.float64(1)] * 10), "call numpy.dtype"),
        ((IMAGES, [1 << 40] * 10), "LONG1"),
    ],
)
def test_another_value_is_refused_with_what_was_found(value: Any, found: str, tmp_path: Path) -> None:
    assert found in refusal(tmp_path, pickle.dumps(value, 4))


class Reduced:
    def __init__(self, *given: Any) -> None:
        self.given = given

    def __reduce__(self) -> Any:
        return self.given


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda marker: Reduced(os.system, (f"touch {marker}",)), ".system"),
        (lambda marker: Reduced(eval, (f"open({marker!r}, 'w')",)), ".eval"),
        (lambda marker: Reduced(Reduced, (Reduced(os.mkdir, (marker,)),)), "Reduced"),
        (lambda marker: Reduced(getattr, (Reduced(__import__, ("os",)), "mkdir")), "getattr"),
        (lambda marker: Reduced(Reduced, (), {"given": marker}), "Reduced"),
        (lambda marker: Reduced(bytes, (1 << 30,)), ".bytes"),
        (lambda marker: Reduced(np.dtype, ("O",)), "call numpy.dtype"),
    ],
)
def test_a_call_is_refused_by_name_and_not_made(make: Any, named: str, protocol: int, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    data = pickle.dumps((IMAGES, [make(str(marker)), *SAME[1:]]), protocol)
    assert named in refusal(tmp_path, data)
    assert not marker.exists()


ENCODE, SCALAR, BOOL = b"c_codecs\nencode\n", b"cnumpy.core.multiarray\nscalar\n", b"cnumpy\ndtype\n\x8c\x02b1\x85R"
OTHERS = {
    "posix.system": [b"cposix\nsystem\n", b"\x8c\x05posix\x8c\x06system\x93"],
    "_codecs.decode": [b"\x8c\x07_codecs\x8c\x06decode\x93"],
    "encode.__globals__": [b"c_codecs\nencode.__globals__\n"],
    "xff": [b"c\xff\x1b[2J\nx\n"],
    "one over 64 bytes": [b"c" + b"a" * 99 + b"\nb\n", b"\x8c\x63" + b"a" * 99 + b"\x8c\x01b\x93"],
    "PERSID": [b"P7\n", b"K\x07Q"],
    "INST": [b"(iposix\nsystem\n"],
    "OBJ": [b"(c_codecs\nencode\no", b"c_codecs\nencode\n)\x81"],
    "EXT1": [b"\x82\x01"],
    "EMPTY_DICT": [b"K\x01}b"],
    "BUILD": [b"K\x01)b", BOOL + b"K\x01b"],
    "call _codecs.encode": [
        ENCODE + code + b"R" for code in (b"\x8c\x01a\x8c\x04zlib\x86", b"C\x01a\x8c\x06latin1\x86", b")")
    ],
    "multiarray.scalar": [SCALAR + BOOL + b"C\x01\x02\x86R", SCALAR + b"NC\x01\x01\x86R"],
    "what is no name": [b"K\x01)R"],
    "byte ff": [b"\xff"],
    "POP": [b"0", b"Nr\xff\xff\xff\xff0"],
    "announces 1,073,741,824 more": [b"B\x00\x00\x00\x40xx", b"\x8d\x00\x00\x00\x40\x00\x00\x00\x00"],
    "cut off": [b"\x8e" + b"\xff" * 8 + b"xx", b"T\xff\xff\xff\xff", b"\x95" + b"\xff" * 8, b""],
    "recalls": [b"j\xff\xff\xff\xff"],
    "no list": [b"NNa", b"N(Ne"],
    "has not given": [b"(e", b"e", b"](\x85", b"N(.", b".", b"(N(a", b"\x94"],
    "more than one value": [b"NN.", b"(N."],
    "7 bytes follow": [b"N.garbage"],
}


@pytest.mark.parametrize(("found", "code"), [(found, code) for found, codes in OTHERS.items() for code in codes])
def test_any_other_opcode_length_or_order_is_refused(code: bytes, found: str, tmp_path: Path) -> None:
    tracemalloc.start()
    assert found in refusal(tmp_path, b"\x80\x04" + code)
    assert tracemalloc.get_traced_memory()[1] < 1 << 21
    tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x01N.", b"\x80\x06N.", b"(lp0\n.", b"\xff\xd8\xff\xe0"])
def test_what_is_no_pickle_of_these_protocols_is_refused(data: bytes, tmp_path: Path) -> None:
    assert re.search("no pickle of protocol 2 to 5|It is cut off", refusal(tmp_path, data))


def test_a_bomb_stays_small(tmp_path: Path) -> None:
    layers = [b"]\x94(" + (b"h" + bytes([max(i - 1, 0)])) * 200 + b"e" for i in range(200)]
    assert "not two lists" in refusal(tmp_path, b"\x80\x04(" + b"".join(layers) + b"t.")
    assert "not two lists" in refusal(tmp_path, b"\x80\x04)" + b"\x85" * 900_000 + b".")
    assert "over 1,000,000 steps" in refusal(tmp_path, b"\x80\x04" + b"N" * 1_000_001 + b".")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.data(), protocol=st.sampled_from([2, 4, 5]))
def test_a_file_cut_off_or_changed_anywhere_is_read_or_damaged_and_nothing_else(
    drawn: st.DataObject, protocol: int, tmp_path: Path
) -> None:
    data = pickle.dumps(([b"x" * 300, b"y"] * 10, list(np.array(SAME))), protocol)
    refusal(tmp_path, data[: drawn.draw(st.integers(0, len(data) - 1))])
    changed = bytearray(data)
    for at in drawn.draw(st.lists(st.integers(0, len(data) - 1), max_size=4)):
        changed[at] = drawn.draw(st.integers(0, 255))
    with contextlib.suppress(DataDamaged):
        read_bin(written(tmp_path, bytes(changed)), len(SAME))


@pytest.mark.realdata_smoke
def test_the_official_pairs_packed_are_the_official_trials(tmp_path: Path, data_root: Path) -> None:
    files, same = packed_lfw(data_root)
    (tmp_path / "lfw").mkdir()
    written(tmp_path / "lfw", pickle.dumps(([file.read_bytes() for file in files], same), 4))
    content = BIN.read(tmp_path)
    assert content.trials_sha256 == BIN.trials_sha256
    by_name = {one.name: one for one in content.samples}
    for i in range(0, 12000, 601):
        one = by_name[f"{i // 2:05d}{'ab'[i % 2]}"]
        assert (one.read(one.key).pixels == images.read(files[i])).all()
