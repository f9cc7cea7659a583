"""Frames between harness and worker: what crosses unchanged, what is refused, and that nothing is read past a bound."""

from __future__ import annotations

import io
import json
import os
import pickle
import threading
from collections import OrderedDict
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bench import wire
from bench.records import Clip, Face, Question, Scan
from bench.wire import NotAFrame, NotSendable

DTYPES = sorted(wire.DTYPES)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


def written(value: Any) -> bytes:
    stream = io.BytesIO()
    wire.send(stream, value)
    return stream.getvalue()


def crossed(value: Any) -> Any:
    return wire.receive(io.BytesIO(written(value)))


def frame(header: Any, blob: bytes = b"") -> io.BytesIO:
    """A frame of any header, as a meddling method might write it."""
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    return io.BytesIO(wire.LENGTHS.pack(len(data), len(blob)) + data + blob)


def of_array(dtype: Any, shape: Any, place: Any = 0, blob: bytes = bytes(64)) -> io.BytesIO:
    """A frame that describes one array."""
    return frame({"body": {"a": [0, dtype, shape]}, "places": [place], "shared": None}, blob)


# What crosses.


@given(TREES)
@settings(deadline=None)
def test_plain_values_cross_unchanged(value: Any) -> None:
    assert crossed(value) == value


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays.arrays(np.dtype(dtype), arrays.array_shapes(min_dims=0, max_dims=4, min_side=0))
    )
)
@settings(deadline=None)
def test_an_array_of_any_type_and_shape_crosses_to_the_bit(array: np.ndarray) -> None:
    back = crossed([array, "between", array])
    for other in (back[0], back[2]):
        assert (other.dtype, other.shape, other.tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.parametrize("dtype", [name for name in DTYPES if np.dtype(name).itemsize > 1])
def test_an_array_of_the_other_byte_order_keeps_its_values(dtype: str) -> None:
    array = np.arange(5).astype(np.dtype(dtype).newbyteorder())
    assert crossed(array).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "view", [lambda a: a[::2], lambda a: a[:, ::-1], lambda a: a.T, lambda a: np.asfortranarray(a), lambda a: a[1:1]]
)
def test_an_array_that_is_not_contiguous_crosses_in_its_own_order(view: Any) -> None:
    array = view(np.arange(24, dtype=np.int32).reshape(4, 6))
    back = crossed(array)
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


def test_what_is_not_finite_crosses_as_it_is() -> None:
    back = crossed([float("nan"), float("inf"), -float("inf"), -0.0])
    assert str(back) == "[nan, inf, -inf, -0.0]"


def test_every_kind_of_record_crosses_with_its_arrays() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    face = Face("k", pixels)
    clip = Clip("c", pixels[None], 25.0, np.array([0.5, -1], np.float32), 16_000)
    scan = Scan("s", np.ones((1, 3, 3), np.float32), np.array([[0, 1, 2]], np.int32), pixels[None, None])
    silent, question = Clip("d", pixels[None], 5.0), Question("q", "who?", ("a", "b"), face)
    back = crossed([face, clip, scan, silent, question])
    assert [type(record) for record in back] == [Face, Clip, Scan, Clip, Question]
    np.testing.assert_array_equal(back[0].pixels, pixels)
    assert back[1].audio.tolist() == [0.5, -1] and back[1].audio_rate == 16_000 and back[3].audio is None
    assert back[2].triangles.dtype == np.int32 and back[2].views.shape == (1, 1, 4, 4, 3)
    assert (back[4].text, back[4].options, back[4].face.key) == ("who?", ["a", "b"], "k")


def test_tuples_become_lists_and_numpy_scalars_plain_ones() -> None:
    back = crossed({"t": (1, (2,)), "n": np.float32(0.5), "i": np.int64(7), "b": np.True_, "o": OrderedDict(x=1)})
    assert back == {"t": [1, [2]], "n": 0.5, "i": 7, "b": True, "o": {"x": 1}}
    assert type(back["i"]) is int and type(back["b"]) is bool


def test_a_dict_that_looks_like_a_tag_of_ours_stays_a_dict() -> None:
    lookalikes = [{"a": [0, "float32", [1]]}, {"r": ["Face", {}]}, {"b": 1}, {"d": {}}, {}]
    assert crossed(lookalikes) == lookalikes


def test_what_was_received_cannot_be_written_to() -> None:
    for array in crossed([np.ones(3), np.ones(0), Face("k", np.ones((1, 1, 3), np.uint8)).pixels]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_frames_follow_one_another_and_the_stream_ends_between_them() -> None:
    stream = io.BytesIO(written(1) + written({"x": np.arange(3)}) + written("last"))
    assert wire.receive(stream) == 1
    assert wire.receive(stream)["x"].tolist() == [0, 1, 2]
    assert wire.receive(stream) == "last"
    with pytest.raises(EOFError):
        wire.receive(stream)


# What does not cross.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (object(), "builtins.object"),
        ({1, 2}, "builtins.set"),
        (date(2024, 1, 1), "datetime.date"),
        (1j, "builtins.complex"),
        ([{"deep": lambda: 0}], "builtins.function"),
        (np.array([object()]), "numpy.ndarray"),
        (np.array(["text"]), "numpy.ndarray"),
        (np.array([1j]), "numpy.ndarray"),
        (np.array(["2024"], "datetime64[D]"), "numpy.ndarray"),
        (np.zeros(1, [("a", "f4")]), "numpy.ndarray"),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_name_and_nothing_is_written(value: Any, text: str) -> None:
    stream = io.BytesIO()
    with pytest.raises(NotSendable, match=text):
        wire.send(stream, value)
    assert stream.getvalue() == b""


def test_a_message_over_the_bounds_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "BLOB_LIMIT", 128)
    monkeypatch.setattr(wire, "HEADER_LIMIT", 200)
    assert crossed(np.zeros(128, np.uint8)).size == 128
    stream = io.BytesIO()
    for value in (np.zeros(129, np.uint8), "x" * 200, [np.zeros(1)] * 3):
        with pytest.raises(NotSendable, match="over the bound"):
            wire.send(stream, value)
    assert stream.getvalue() == b""


@pytest.mark.parametrize("lengths", [(wire.HEADER_LIMIT + 1, 0), (2, wire.BLOB_LIMIT + 1), (2**64 - 1, 2**64 - 1)])
def test_a_frame_that_announces_too_much_is_refused_before_it_is_read(lengths: tuple[int, int]) -> None:
    stream = io.BytesIO(wire.LENGTHS.pack(*lengths) + b"never read")
    with pytest.raises(NotAFrame, match="announces"):
        wire.receive(stream)
    assert stream.read() == b"never read"


def test_a_stream_cut_off_anywhere_is_its_end() -> None:
    whole = written({"x": np.arange(5), "y": "text"})
    for length in range(len(whole)):
        with pytest.raises(EOFError):
            wire.receive(io.BytesIO(whole[:length]))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"no json",
        b"[" * 100_000,
        b"9" * 5_000,
        pickle.dumps({"body": 1}),
        [],
        {"body": 1},
        {"body": {}, "places": [], "shared": None},
        {"body": {"z": 1}, "places": [], "shared": None},
        {"body": {"b": "text"}, "places": [], "shared": None},
        {"body": {"r": ["Path", {"key": "k"}]}, "places": [], "shared": None},
        {"body": {"r": ["Face", {"key": "k"}]}, "places": [], "shared": None},
        {"body": {"r": ["Face", {"key": "k", "pixels": 1, "subject": 1}]}, "places": [], "shared": None},
        {"body": {"a": [3, "uint8", [1]]}, "places": [0], "shared": None},
        {"body": {"d": {"slot": 0}}, "places": [], "shared": 64},
    ],
    ids=lambda header: str(header)[:40],
)
def test_bytes_that_are_no_frame_of_ours_are_refused(header: Any) -> None:
    with pytest.raises(NotAFrame):
        wire.receive(frame(header, bytes(8)))


@pytest.mark.parametrize(
    ("dtype", "shape", "place"),
    [
        ("object", [1], 0),
        ("datetime64[s]", [1], 0),
        ("float32", [17], 0),
        ("float32", [2], 60),
        ("float32", [1], 65),
        ("float32", [1], -4),
        ("float32", [-1], 0),
        ("float32", [1.0], 0),
        ("float32", [True], 0),
        ("float32", 4, 0),
        ("float32", [1 << 40], 0),
        ("float32", [10**30], 0),
        ("float32", [1 << 40, 1 << 40], 0),
        ("float32", [1], 10**30),
        ("float32", [0, 10**30], 0),
        ("float32", [1] * 100, 0),
    ],
)
def test_an_array_that_is_not_within_the_frame_is_refused(dtype: Any, shape: Any, place: Any) -> None:
    with pytest.raises(NotAFrame):
        wire.receive(of_array(dtype, shape, place))


def test_an_array_that_fills_the_frame_to_its_end_is_read() -> None:
    assert wire.receive(of_array("float32", [16])).shape == (16,)
    assert wire.receive(of_array("float32", [1], 60)).shape == (1,)


# Shared memory.


@pytest.fixture
def slot() -> Any:
    slot = wire.Slot()
    yield slot
    slot.close()


def through(slot: wire.Slot, value: Any) -> tuple[Any, int]:
    """A value sent through a slot and read by another mapping of it, and how many bytes went over the stream."""
    stream = io.BytesIO()
    wire.send(stream, {"value": value, "slot": 5}, slot)
    size = stream.tell()
    stream.seek(0)
    other = wire.Slot(os.dup(slot.descriptor))
    return wire.receive(stream, {5: other}.__getitem__)["value"], size


def test_arrays_cross_in_shared_memory_and_only_the_header_over_the_pipe(slot: wire.Slot) -> None:
    generator = np.random.default_rng(0)
    sent = [generator.random((500, 400)), generator.integers(0, 255, (7, 3), np.uint8), np.zeros((0, 4), np.float32)]
    received, size = through(slot, sent)
    assert size < 1000
    for one, other in zip(sent, received, strict=True):
        assert one.dtype == other.dtype and not other.flags.writeable
        np.testing.assert_array_equal(one, other)


def test_a_slot_grows_and_what_was_read_before_stays_readable(slot: wire.Slot) -> None:
    small, _ = through(slot, np.arange(10))
    large, _ = through(slot, np.zeros(1_000_000))
    assert large.size == 1_000_000
    assert small.tolist() == [0] * 10, "the same memory, still mapped"
    assert through(slot, np.arange(10))[0].tolist() == [*range(10)]


def test_a_message_without_arrays_needs_no_shared_memory(slot: wire.Slot) -> None:
    assert through(slot, {"load": [1, "two"]})[0] == {"load": [1, "two"]}
    assert os.fstat(slot.descriptor).st_size == 0


def test_a_frame_that_names_a_slot_that_is_not_there_is_refused(slot: wire.Slot) -> None:
    stream = io.BytesIO()
    wire.send(stream, {"value": np.arange(3), "slot": 9}, slot)
    with pytest.raises(NotAFrame):
        wire.receive(io.BytesIO(stream.getvalue()), {5: slot}.__getitem__)
    with pytest.raises(NotAFrame, match="no shared memory is expected"):
        wire.receive(io.BytesIO(stream.getvalue()))


def test_a_frame_larger_than_a_pipe_holds_crosses_it() -> None:
    end, start = os.pipe()
    sent = np.arange(300_000, dtype=np.int64)
    with os.fdopen(start, "wb") as out, os.fdopen(end, "rb") as incoming:
        thread = threading.Thread(target=wire.send, args=(out, {"x": sent}))
        thread.start()
        np.testing.assert_array_equal(wire.receive(incoming)["x"], sent)
        thread.join()
