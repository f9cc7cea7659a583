"""A link between two processes over TCP: greeted, sealed, strictly one answer to one question, within a time limit."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Self

from gmpy2 import mpz

from facebench_pura import messages
from facebench_pura.keys import PublicKey
from facebench_pura.messages import ALLOWED, HEADER, MOST_GREETING, MOST_PAYLOAD, SEAL, Kind, Message, Role
from facebench_pura.refusals import ServerLost

NONCE = 16
# What a server says when it cannot answer; the texts are fixed, so no value of a query can be in them.
CAUSES = {
    1: "the other server was lost",
    2: "the request was refused",
    3: "nothing is enrolled",
    4: "it failed",
    5: "it is busy with as many queries as it takes at once",
}


class Link:
    """One side of a connection; ``sent`` and ``received`` count bytes, frames included."""

    def __init__(self, connection: socket.socket, public: PublicKey, limit: float) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection, self.public, self.limit = connection, public, limit
        self.deadline = 0.0
        self.session, self.position, self.key, self.role = b"", 0, b"", Role.USER
        self.sent = self.received = 0

    def __enter__(self) -> Self:
        """The link; it is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close, and wake a thread that waits on it."""
        self.close()

    def close(self) -> None:
        """Hang up; a thread that waits for an answer gets ServerLost."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    @classmethod
    def to(cls, port: int, key: bytes, role: Role, public: PublicKey, limit: float) -> Link:
        """Open a link to a server on loopback; each exchange may take ``limit`` seconds. Raises ServerLost."""
        try:
            connection = socket.create_connection(("127.0.0.1", port), limit)
        except OSError:
            raise lost("it does not accept connections") from None
        link = cls(connection, public, limit)
        try:
            link._greet(key, role)
        except BaseException:
            connection.close()
            raise
        return link

    def _greet(self, key: bytes, role: Role) -> None:
        self.key, self.role = key, role
        self._restart_clock()
        own = secrets.token_bytes(NONCE)
        self._write(messages.frame(key, Kind.HELLO, own, 0, bytes([role])))
        kind, theirs, data = self._read(MOST_GREETING, None)
        if kind != Kind.WELCOME or data != bytes([role]):
            raise messages.refused("it is no welcome")
        self._joined(own, theirs)

    def welcome(self, keys: Mapping[Role, bytes]) -> None:
        """Answer a greeting with the key of the role it names; raises MessageRefused or ServerLost."""
        self._restart_clock()
        head = self._exactly(HEADER.size)
        kind, theirs, position, length = messages.header(head, MOST_GREETING)
        data = self._exactly(length)
        if kind != Kind.HELLO or position or len(data) != 1 or data[0] not in Role.__members__.values():
            raise messages.refused("it is no greeting")
        self.role = Role(data[0])
        self.key = keys[self.role]
        self._sealed(head, data)
        own = secrets.token_bytes(NONCE)
        self._write(messages.frame(self.key, Kind.WELCOME, own, 1, data))
        self._joined(theirs, own)

    def ask(self, kind: Kind, numbers: Sequence[int] = (), residues: Sequence[mpz] = ()) -> Message:
        """The answer to one message.

        Raises ServerLost where none comes within the limit or the server says that it cannot answer, MessageRefused
        where what comes is no answer.
        """
        self._restart_clock()
        self._send(Message(kind, tuple(numbers), tuple(residues)))
        answer = self._receive()
        if answer.kind == Kind.REFUSED:
            raise lost(CAUSES.get(answer.numbers[0] if answer.numbers else 4, CAUSES[4]))
        if answer.kind != Kind.DONE:
            raise messages.refused("it is no answer")
        return answer

    def question(self) -> Message | None:
        """The next message of whoever opened the link; None where they hung up or sent none within the limit."""
        self.connection.settimeout(self.limit)
        try:
            begun = self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            begun = b""
        if not begun:
            return None
        self._restart_clock()
        message = self._receive()
        if message.kind not in ALLOWED[self.role]:
            raise messages.refused("its kind is not for this role")
        return message

    def reply(self, numbers: Sequence[int] = (), residues: Sequence[mpz] = ()) -> None:
        """Answer the last question."""
        self._restart_clock()
        self._send(Message(Kind.DONE, tuple(numbers), tuple(residues)))

    def refuse(self, cause: int) -> None:
        """Answer that there is no answer; ``cause``: a key of ``CAUSES``."""
        self._restart_clock()
        self._send(Message(Kind.REFUSED, (cause,)))

    def _joined(self, first: bytes, second: bytes) -> None:
        self.session = hashlib.sha256(first + second).digest()[:NONCE]
        self.position = 2

    def _send(self, message: Message) -> None:
        data = messages.payload(message, self.public.size)
        self._write(messages.frame(self.key, message.kind, self.session, self.position, data))
        self.position += 1

    def _receive(self) -> Message:
        kind, _, data = self._read(MOST_PAYLOAD, self.session)
        self.position += 1
        return messages.parsed(kind, data, self.public)

    def _read(self, most: int, session: bytes | None) -> tuple[Kind, bytes, bytes]:
        """One sealed frame of its place; a welcome has position 1 and brings its session along."""
        head = self._exactly(HEADER.size)
        kind, theirs, position, length = messages.header(head, most)
        if position != (1 if session is None else self.position):
            raise messages.refused("it is out of its order")
        if session not in (None, theirs):
            raise messages.refused("it belongs to another session")
        data = self._exactly(length)
        self._sealed(head, data)
        return kind, theirs, data

    def _sealed(self, head: bytes, data: bytes) -> None:
        if not secrets.compare_digest(messages.seal(self.key, head, data), self._exactly(SEAL)):
            raise messages.refused("its seal does not fit")

    def _restart_clock(self) -> None:
        self.deadline = time.monotonic() + self.limit

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise lost(f"it did not answer within {self.limit:g} s")
        return left

    def _write(self, data: bytes) -> None:
        try:
            self.connection.settimeout(self._left())
            self.connection.sendall(data)
        except TimeoutError:
            raise lost(f"it did not answer within {self.limit:g} s") from None
        except OSError:
            raise lost("it hung up") from None
        self.sent += len(data)

    def _exactly(self, count: int) -> bytes:
        parts, missing = [], count
        while missing:
            try:
                self.connection.settimeout(self._left())
                part = self.connection.recv(min(missing, 1 << 16))
            except TimeoutError:
                raise lost(f"it did not answer within {self.limit:g} s") from None
            except OSError:
                part = b""
            if not part:
                raise lost("it hung up")
            parts.append(part)
            missing -= len(part)
        self.received += count
        return b"".join(parts)


def lost(found: str) -> ServerLost:
    """The loss of a server, and how it showed."""
    return ServerLost("A server was asked.", f"There is no answer: {found}.", "Start it again; enrolment is kept.")
