"""A pickle of images and booleans, read without an unpickler: nothing in it is imported, called or built."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

# An official set takes 30,000 to 190,000 steps; this bounds what a hostile file can make us hold.
MOST_STEPS = 1_000_000
MOST_NAME = 64
PROTO, STOP, GLOBAL = b"\x80", b".", b"c"
# Opcodes of a string, with how many bytes its length takes. T and U are the strings of Python 2.
BYTES = {b"U": 1, b"T": 4, b"C": 1, b"B": 4, b"\x8e": 8}
TEXT = {b"\x8c": 1, b"X": 4, b"\x8d": 8}
NUMBER = {b"K": 1, b"M": 2, b"J": 4}
TUPLE = {b")": 0, b"\x85": 1, b"\x86": 2, b"\x87": 3}
VALUE = {b"\x88": True, b"\x89": False, b"N": None}
PUT, GET = {b"q": 1, b"r": 4}, {b"h": 1, b"j": 4}
# What Python 3 writes for bytes under protocol 2, and numpy for a boolean.
ENCODE, DTYPE = "_codecs.encode", "numpy.dtype"
SCALAR = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")


@dataclass(frozen=True, slots=True)
class Blob:
    """A string left where it lies; ``kind`` latin1: a text that stands for bytes."""

    offset: int
    length: int
    kind: Literal["bytes", "text", "latin1"]


@dataclass(frozen=True, slots=True)
class _Global:
    """A name that a pickle asks for: a word to us, never a function."""

    name: str


class _NumpyBool:
    """What stands for numpy's type of booleans."""


class Refused(Exception):
    """A pickle that asks for more than images and booleans take; the text says what."""


class _Walk:
    """What a pickle says, read without an unpickler.

    Not a pickle.Unpickler with find_class overridden: that one builds every string in memory, a declared length or memo
    index can make it allocate far more than the file has, and REDUCE and BUILD call whatever was let through. The few
    opcodes that such a set takes are tables and two methods. Nothing is imported, called or built but lists, tuples,
    numbers and places in the file, each opcode makes at most one of them, and any other opcode ends the reading.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.at = file, 0
        self.size = os.fstat(file.fileno()).st_size
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def value(self) -> Any:
        """The one value of the file; raises Refused."""
        if self._take(1) != PROTO or not 2 <= self._number(1) <= 5:
            raise Refused("It is no pickle of protocol 2 to 5.")
        for _ in range(MOST_STEPS):
            code = self._take(1)
            if code == STOP:
                break
            self._step(code)
        else:
            raise Refused(f"It takes over {MOST_STEPS:,} steps.")
        value = self._pop()
        if self.stack or self.marks:
            raise Refused("It leaves more than one value.")
        if self.at != self.size:
            raise Refused(f"{self.size - self.at:,} bytes follow its end.")
        return value

    def _step(self, code: bytes) -> None:
        push = self.stack.append
        if code in BYTES:
            push(self._blob(BYTES[code], "bytes"))
        elif code in TEXT:
            push(self._blob(TEXT[code], "text"))
        elif code in PUT:
            self.memo[self._number(PUT[code])] = self._top()
        elif code in GET:
            push(self._recall(self._number(GET[code])))
        elif code in TUPLE:
            push(tuple([self._pop() for _ in range(TUPLE[code])][::-1]))
        elif code in VALUE:
            push(VALUE[code])
        elif code in NUMBER:
            push(self._number(NUMBER[code], signed=code == b"J"))
        elif code == GLOBAL:
            push(self._global(f"{self._line()}.{self._line()}"))
        else:
            self._rarer(code)

    def _rarer(self, code: bytes) -> None:
        push = self.stack.append
        match code:
            case b"\x94":  # MEMOIZE
                self.memo[len(self.memo)] = self._top()
            case b"\x95":  # FRAME: says only how much could be read at once
                self._room(self._number(8))
            case b"]":
                push([])
            case b"(":
                self.marks.append(len(self.stack))
            case b"t":
                push(tuple(self._marked()))
            case b"e":
                items = self._marked()
                self._list().extend(items)
            case b"a":
                item = self._pop()
                self._list().append(item)
            case b"\x93":  # STACK_GLOBAL
                name, module = self._text(self._pop()), self._text(self._pop())
                push(self._global(f"{module}.{name}"))
            case b"R":
                given, called = self._pop(), self._pop()
                push(self._called(called, given))
            case b"b":  # BUILD: of numpy's type of booleans, whose state says nothing new
                if not isinstance(self._pop(), tuple) or not isinstance(self._top(), _NumpyBool):
                    raise Refused("It asks to set the state of an object (BUILD).")
            case _:
                raise Refused(f"It asks for {_opcode(code)}, which images and booleans do not take.")

    def _called(self, called: Any, given: Any) -> Any:
        """What a call to one of the admitted names stands for."""
        name = called.name if isinstance(called, _Global) else "what is no name"
        match given:
            case (Blob(kind="text") as text, how) if name == ENCODE and self._text(how) in ("latin1", "latin-1"):
                return Blob(text.offset, text.length, "latin1")
            case (kind, *_) if name == DTYPE and self._text(kind) in ("b1", "?"):
                return _NumpyBool()
            case (_NumpyBool(), Blob(length=1) as blob) if name in SCALAR:
                value = self._peek(blob)
                if value in (b"\0", b"\1"):
                    return value == b"\1"
        raise Refused(f"It asks to call {name} in a way that images and booleans do not take.")

    def _global(self, name: str) -> _Global:
        if name not in (ENCODE, DTYPE, *SCALAR):
            raise Refused(f"It asks for {ascii(name)[1:-1]}.")
        return _Global(name)

    def _room(self, count: int) -> None:
        if count < 0 or count > self.size - self.at:
            raise Refused(f"It is cut off: at byte {self.at:,} of {self.size:,} it announces {count:,} more.")

    def _take(self, count: int) -> bytes:
        self._room(count)
        taken = self.file.read(count)
        if len(taken) != count:
            raise Refused("It was changed while it was read.")
        self.at += count
        return taken

    def _number(self, width: int, signed: bool = False) -> int:
        return int.from_bytes(self._take(width), "little", signed=signed)

    def _line(self) -> str:
        line = self.file.readline(MOST_NAME + 1)
        self.at += len(line)
        if not line.endswith(b"\n"):
            raise Refused(f"It is cut off in a name, or has one over {MOST_NAME} bytes.")
        return line[:-1].decode("ascii", "backslashreplace")

    def _blob(self, width: int, kind: Literal["bytes", "text"]) -> Blob:
        length = self._number(width)
        self._room(length)
        blob = Blob(self.at, length, kind)
        self.at += length
        self.file.seek(self.at)
        return blob

    def _peek(self, blob: Blob) -> bytes:
        self.file.seek(blob.offset)
        data = self.file.read(blob.length)
        self.file.seek(self.at)
        return data

    def _text(self, value: Any) -> str:
        if not isinstance(value, Blob) or value.length > MOST_NAME:
            raise Refused(f"It has no name, or one over {MOST_NAME} bytes, where a name belongs.")
        return self._peek(value).decode("ascii", "backslashreplace")

    def _top(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise Refused("It takes a value that it has not given.")
        return self.stack[-1]

    def _pop(self) -> Any:
        value = self._top()
        self.stack.pop()
        return value

    def _marked(self) -> list[Any]:
        if not self.marks:
            raise Refused("It takes values that it has not given.")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _list(self) -> list[Any]:
        found = self._top()
        if not isinstance(found, list):
            raise Refused("It adds to what is no list.")
        return found

    def _recall(self, number: int) -> Any:
        if number not in self.memo:
            raise Refused("It recalls a value that it has not given.")
        return self.memo[number]


def _opcode(code: bytes) -> str:
    import pickletools

    known = {op.code: op.name for op in pickletools.opcodes}
    return f"the opcode {known.get(code.decode('latin-1'), 'byte ' + code.hex())}"


def read(path: Path) -> Any:
    """The value a pickle says: lists, tuples, booleans, numbers, None, and a Blob where a string lies.

    Raises Refused for anything else, and OSError.
    """
    with open(path, "rb") as file:
        return _Walk(file).value()
