"""A MATLAB file (MAT-file level 5) of cells, structs, texts and numbers, read within bounds.

The layout is that of MathWorks, "MAT-File Format". Not scipy.io.loadmat: that one follows cells as deep, and unpacks as
much, as a file says, so that a few bytes can end the process or fill the memory.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A list of 6,000 pairs takes about 4 MiB and five levels.
MOST_BYTES = 64 << 20
MOST_DEPTH = 8
HEADER = 128
ORDERS = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, CHAR = 1, 2, 4
NUMERIC, COMPLEX = range(6, 16), 0x0800
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}


class Refused(Exception):
    """A file that is no such file, or holds more than is read; the text says what."""


@dataclass(frozen=True, slots=True)
class Cells:
    """A cell array, or structs that are not 1x1: its values column by column."""

    shape: tuple[int, ...]
    items: list[Any]


class _Elements:
    """Elements one after another, in a file or in an element; ``order`` is that of their bytes."""

    def __init__(self, data: memoryview, order: str) -> None:
        self.data, self.order = data, order

    def take(self) -> tuple[int, memoryview]:
        """Type and bytes of the next element."""
        if len(self.data) < 8:
            raise Refused("It is cut off.")
        kind, size = struct.unpack(f"{self.order}II", self.data[:8])
        start, most, end = 8, len(self.data), 8 + size + (0 if kind == COMPRESSED else -size % 8)
        if kind >> 16:  # the bytes, four at most, stand in the tag itself
            kind, size, start, most, end = kind & 0xFFFF, kind >> 16, 4, 8, 8
        if start + size > most:
            raise Refused("It is cut off.")
        found, self.data = self.data[start : start + size], self.data[end:]
        return kind, found

    def numbers(self) -> Any:
        """The next element, as an array."""
        import numpy as np

        kind, data = self.take()
        dtype = np.dtype(self.order + NUMBERS.get(kind, "V8"))
        if kind not in NUMBERS or len(data) % dtype.itemsize:
            raise Refused(f"It has no numbers where they belong, but type {kind} of {len(data)} bytes.")
        return np.frombuffer(data, dtype)

    def integers(self) -> list[int]:
        """The next element, where it says how to read on."""
        found = self.numbers()
        if found.dtype.kind == "f":
            raise Refused("It has a size that is no whole number.")
        return [int(number) for number in found]

    def matrix(self, name: str | None = None, depth: int = 0) -> tuple[bool, Any]:
        """Whether the next element has that name and, if so, its value; one of another name is not looked into."""
        kind, data = self.take()
        if kind != MATRIX:
            raise Refused(f"It has type {kind} where a matrix belongs.")
        if depth > MOST_DEPTH:
            raise Refused(f"It is over {MOST_DEPTH} levels deep.")
        if not data:
            return name is None, None
        inner = _Elements(data, self.order)
        flags, shape = inner.integers(), tuple(inner.integers())
        if not flags or not 2 <= len(shape) <= 8 or min(shape) < 0:
            raise Refused("It has a matrix without a class or a shape.")
        own = inner.take()[1]
        if name is not None and own != name.encode():
            return False, None
        return True, inner._value(flags[0], shape, depth)

    def _value(self, flags: int, shape: tuple[int, ...], depth: int) -> Any:
        what, count = flags & 0xFF, math.prod(shape)
        if what == CELL:
            return Cells(shape, self._several(count, depth))
        if what == STRUCT:
            names = self._fields()
            values = self._several(count * len(names), depth)
            rows = [dict(zip(names, row, strict=True)) for row in zip(*[iter(values)] * len(names), strict=True)]
            return rows[0] if count == 1 else Cells(shape, rows)
        if what == CHAR:
            return self._text()
        if what not in NUMERIC or flags & COMPLEX:
            raise Refused(f"It has a matrix of class {what}, which is not read.")
        found = self.numbers()
        if found.size != count:
            raise Refused(f"It has {found.size} numbers in a matrix of {count}.")
        return found

    def _fields(self) -> list[str]:
        widths, (_, names) = self.integers(), self.take()
        if len(widths) != 1 or widths[0] < 1 or not names:
            raise Refused("It has a struct without fields.")
        starts = range(0, len(names), widths[0])
        return [names[i : i + widths[0]].tobytes().split(b"\0")[0].decode("latin-1") for i in starts]

    def _several(self, count: int, depth: int) -> list[Any]:
        if count > len(self.data) // 8:
            raise Refused(f"It is cut off: {count:,} values are announced.")
        return [self.matrix(None, depth + 1)[1] for _ in range(count)]

    def _text(self) -> str:
        kind, data = self.take()
        if kind not in TEXTS:
            raise Refused(f"It has type {kind} where a text belongs.")
        coding = TEXTS[kind] + ({"<": "-le", ">": "-be"}[self.order] if TEXTS[kind] == "utf-16" else "")
        try:
            return data.tobytes().decode(coding)
        except UnicodeDecodeError:
            raise Refused("It has a text that is none.") from None


def read(path: Path, name: str) -> Any:
    """The variable ``name`` of a file: Cells, a dict for a struct, a text, or a flat array, all column by column.

    Raises Refused for another file or value, one over 64 MiB unpacked, or one without the variable; and OSError.
    """
    with open(path, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    order = ORDERS.get(data[HEADER - 4 : HEADER])
    if order is None:
        raise Refused("It is no MAT-file of level 5.")
    if len(data) > MOST_BYTES:
        raise Refused(f"It is over {MOST_BYTES >> 20} MiB.")
    left, room = _Elements(memoryview(data)[HEADER:], order), MOST_BYTES
    while left.data:
        kind, inside = left.take()
        whole = _unpacked(inside, room) if kind == COMPRESSED else struct.pack(f"{order}II", kind, len(inside)) + inside
        room -= len(whole)
        found, value = _Elements(memoryview(whole), order).matrix(name)
        if found:
            return value
    raise Refused(f"It has no variable {name!r}.")


def _unpacked(data: memoryview, room: int) -> bytes:
    unpack = zlib.decompressobj()
    try:
        found = unpack.decompress(data, max(room, 1))
    except zlib.error:
        raise Refused("It cannot be unpacked.") from None
    if unpack.unconsumed_tail:
        raise Refused(f"It is over {MOST_BYTES >> 20} MiB unpacked.")
    return found
