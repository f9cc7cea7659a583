"""Messages between organisation, servers and users: one frame each, length-prefixed, versioned, bounded, sealed.

A frame is a header of 34 bytes (magic, version, kind, session, position, length of the payload), the payload, and 32
bytes of HMAC-SHA256 over both under the key of the role that opened the link. The session is made of a nonce of either
side and the position counts the messages of a link in both directions, so a frame that is replayed, reflected, or out
of its order does not fit its place and is refused. A payload is a list of numbers below 2^32 and a list of residues of
one length.
"""

from __future__ import annotations

import enum
import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import gcd, mpz

from facebench_pura.keys import PublicKey
from facebench_pura.refusals import MessageRefused

MAGIC, VERSION = b"PURA", 1
HEADER = struct.Struct(">4sBB16sQI")
COUNTS = struct.Struct(">HI")
SEAL = 32
MOST_PAYLOAD = 1 << 24
MOST_GREETING = 64
MOST_NUMBERS = 64


class Kind(enum.IntEnum):
    """What a message is; DONE and REFUSED answer all others."""

    HELLO = 1
    WELCOME = 2
    DONE = 3
    REFUSED = 4
    MULTIPLY = 5
    COMPARE = 6
    SQUARE = 7
    REVEAL = 8
    HALF = 9
    DISTANCES = 10
    ENROL = 11
    STATUS = 12
    IDENTIFY = 13


class Role(enum.IntEnum):
    """Who opened a link; each has its own sealing key."""

    OWNER = 1
    PEER = 2
    USER = 3


ALLOWED = {
    Role.OWNER: {Kind.ENROL, Kind.STATUS, Kind.DISTANCES},
    Role.PEER: {Kind.MULTIPLY, Kind.COMPARE, Kind.SQUARE, Kind.REVEAL, Kind.HALF, Kind.DISTANCES},
    Role.USER: {Kind.IDENTIFY},
}


@dataclass(frozen=True, slots=True)
class Message:
    """A kind with its numbers (below 2^32) and its residues (ciphertexts, or masked plaintexts)."""

    kind: Kind
    numbers: tuple[int, ...] = ()
    residues: tuple[mpz, ...] = ()


def payload(message: Message, size: int) -> bytes:
    """The bytes of numbers and residues, ``size`` bytes a residue; raises MessageRefused where it grows too long."""
    numbers, residues = message.numbers, message.residues
    if len(numbers) > MOST_NUMBERS or COUNTS.size + 4 * len(numbers) + size * len(residues) > MOST_PAYLOAD:
        raise refused("it is too long to be sent")
    head = COUNTS.pack(len(numbers), len(residues)) + struct.pack(f">{len(numbers)}I", *numbers)
    return head + b"".join(residue.to_bytes(size, "big") for residue in residues)


def parsed(kind: Kind, data: bytes, public: PublicKey) -> Message:
    """The message of a payload; raises MessageRefused unless it is exactly one, of invertible residues."""
    if len(data) < COUNTS.size:
        raise refused("its payload is cut off")
    many, count = COUNTS.unpack_from(data)
    start, size = COUNTS.size + 4 * many, public.size
    if many > MOST_NUMBERS or len(data) != start + count * size:
        raise refused("its counts do not fit its length")
    numbers = struct.unpack_from(f">{many}I", data, COUNTS.size)
    residues = [mpz.from_bytes(data[at : at + size], "big") for at in range(start, len(data), size)]
    _invertible(residues, public)
    return Message(kind, numbers, tuple(residues))


def frame(key: bytes, kind: Kind, session: bytes, position: int, data: bytes) -> bytes:
    """One sealed frame."""
    head = HEADER.pack(MAGIC, VERSION, kind, session, position, len(data))
    return head + data + seal(key, head, data)


def seal(key: bytes, head: bytes, data: bytes) -> bytes:
    """HMAC-SHA256 of a header and a payload."""
    return hmac.digest(key, head + data, "sha256")


def header(head: bytes, most: int) -> tuple[Kind, bytes, int, int]:
    """Kind, session, position and payload length; raises MessageRefused before anything long is read."""
    magic, version, kind, session, position, length = HEADER.unpack(head)
    if magic != MAGIC:
        raise refused("it does not begin as one")
    if version != VERSION:
        raise refused(f"it is of version {version}, not {VERSION}")
    if kind not in Kind.__members__.values():
        raise refused("its kind is unknown")
    if length > most:
        raise refused(f"it announces more than {most} bytes")
    return Kind(kind), session, position, length


def refused(found: str) -> MessageRefused:
    """The refusal of a message, and why."""
    return MessageRefused("A message was received.", f"It was refused: {found}.", "The link is closed; open another.")


def _invertible(residues: Sequence[mpz], public: PublicKey) -> None:
    product = mpz(1)
    for residue in residues:
        if not 0 < residue < public.square:
            raise refused("a residue is out of range")
        product = product * residue % public.n
    if gcd(product, public.n) != 1:
        raise refused("a residue is not invertible")
