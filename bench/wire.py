"""What crosses between the harness and a worker: bounded, typed frames; nothing is unpickled.

A frame is a length-prefixed JSON header and a blob. Values are None, bool, int, float, str, bytes, lists, string-keyed
dicts, records and arrays. Arrays travel in a shared slot where one is given, else in the blob.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
import tempfile
from collections.abc import Callable
from dataclasses import fields
from typing import IO, Any

from bench.records import RECORDS

HEADER_LIMIT, BLOB_LIMIT = 64 << 20, 1 << 30
LENGTHS = struct.Struct(">QQ")
INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
DTYPES = {"bool", "float16", "float32", "float64", *INTEGERS}
ALIGNMENT = 64


class NotSendable(Exception):
    """A value of a type that does not cross."""


class NotAFrame(Exception):
    """Bytes that are no frame of ours, or one over its bounds."""


class Slot:
    """One block of shared memory, written by the harness and read by one worker.

    It has no name in any file system, so nothing is left behind whichever process dies.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = _anonymous_file() if descriptor is None else descriptor
        self._map: mmap.mmap | None = None

    def view(self, size: int) -> memoryview:
        """At least ``size`` bytes of the block; it only ever grows."""
        if self._map is None or len(self._map) < size:
            if os.fstat(self.descriptor).st_size < size:
                os.ftruncate(self.descriptor, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE)
            # An older mapping stays alive as long as an array still views it.
            self._map = mmap.mmap(self.descriptor, os.fstat(self.descriptor).st_size)
        return memoryview(self._map)

    def close(self) -> None:
        """Give the block back once nothing views it."""
        self._map = None
        os.close(self.descriptor)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):  # unlike /dev/shm it is not capped by a container's mount size
        return os.memfd_create("facebench", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def send(stream: IO[bytes], value: Any, slot: Slot | None = None) -> None:
    """Write ``value`` as one frame; raises NotSendable for a type that does not cross."""
    arrays: list[Any] = []
    body = _pack(value, arrays)
    places, end = [], 0
    for array in arrays:
        places.append(end)
        end += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    target = memoryview(bytearray(end)) if slot is None else slot.view(end) if end else memoryview(b"")
    for array, start in zip(arrays, places, strict=True):
        if array.nbytes:
            target[start : start + array.nbytes] = memoryview(array.reshape(-1)).cast("B")
    header = json.dumps({"body": body, "places": places, "shared": end if slot is not None else None}).encode()
    blob = b"" if slot is not None else target
    if len(header) > HEADER_LIMIT or len(blob) > BLOB_LIMIT:
        raise NotSendable(f"a message of {len(header) + len(blob):,} bytes is over the bound")
    stream.write(LENGTHS.pack(len(header), len(blob)))
    stream.write(header)
    stream.write(blob)
    stream.flush()


def receive(stream: IO[bytes], slot: Callable[[int], Slot] | None = None) -> Any:
    """Read one frame; raises EOFError at the end of the stream and NotAFrame for anything else.

    ``slot`` gives the shared block that the frame's number names.
    """
    header_size, blob_size = LENGTHS.unpack(_exactly(stream, LENGTHS.size))
    if header_size > HEADER_LIMIT or blob_size > BLOB_LIMIT:
        raise NotAFrame(f"a frame announces {header_size + blob_size:,} bytes")
    try:
        header = json.loads(_exactly(stream, header_size))
        blob = memoryview(_exactly(stream, blob_size))
        body, places, shared = header["body"], header["places"], header["shared"]
        if shared is not None:
            if slot is None:
                raise ValueError("no shared memory is expected here")
            blob = slot(body["d"]["slot"]).view(shared) if shared else memoryview(b"")
        return _unpack(body, blob, places)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise NotAFrame(f"a frame cannot be read: {error}") from None


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _pack(value: Any, arrays: list[Any]) -> Any:
    """``value`` as JSON, its arrays moved to ``arrays``."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (list, tuple)):
        return [_pack(item, arrays) for item in value]
    if isinstance(value, dict):
        return {"d": {str(key): _pack(item, arrays) for key, item in value.items()}}
    kind: Any = type(value)
    if kind in RECORDS.values():
        content = {f.name: _pack(getattr(value, f.name), arrays) for f in fields(kind)}
        return {"r": [kind.__name__, content]}
    numpy = sys.modules.get("numpy")  # where nobody imported numpy there is no array
    if isinstance(value, bytes):
        import numpy as np

        return {"b": _pack(np.frombuffer(value, np.uint8), arrays)}
    if numpy is not None and isinstance(value, numpy.ndarray) and value.dtype.name in DTYPES:
        arrays.append(numpy.ascontiguousarray(value, value.dtype.newbyteorder("=")))
        return {"a": [len(arrays) - 1, value.dtype.name, list(value.shape)]}
    if numpy is not None and isinstance(value, numpy.generic) and value.dtype.name in DTYPES:
        return _pack(value.item(), arrays)
    raise NotSendable(f"a {kind.__module__}.{kind.__qualname__}")


def _unpack(body: Any, blob: memoryview, places: list[int]) -> Any:
    if isinstance(body, list):
        return [_unpack(item, blob, places) for item in body]
    if not isinstance(body, dict):
        return body
    ((tag, content),) = body.items()
    if tag == "d":
        return {key: _unpack(item, blob, places) for key, item in content.items()}
    if tag == "r":
        return RECORDS[content[0]](**{key: _unpack(item, blob, places) for key, item in content[1].items()})
    if tag == "b":
        return _unpack(content, blob, places).tobytes()
    index, dtype, shape = content
    return _array(dtype, shape, blob, places[index])


def _array(dtype: str, shape: list[int], blob: memoryview, start: int) -> Any:
    import numpy as np

    if dtype not in DTYPES or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"an array of {dtype} {shape}")
    count = 1
    for n in shape:
        count *= n
    array = np.frombuffer(blob, dtype=dtype, count=count, offset=start) if count else np.empty(0, dtype)
    array = array.reshape(shape)
    array.flags.writeable = False
    return array
