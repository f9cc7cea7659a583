"""Messages that are not exactly what is due are refused, and a refusal names no content."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import pytest
from facebench_pura import messages
from facebench_pura.link import Link
from facebench_pura.messages import HEADER, Kind, Message, Role
from facebench_pura.refusals import MessageRefused, ServerLost
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

quick = settings(deadline=None, max_examples=50)

KEYS = {role: bytes([role]) * 32 for role in Role}


@quick
@given(st.lists(st.integers(0, 2**32 - 1), max_size=8), st.lists(st.integers(1, 10**6), max_size=5))
def test_a_message_is_read_as_it_was_written(pair, numbers: list[int], values: list[int]) -> None:
    residues = tuple(mpz(value) for value in values)
    data = messages.payload(Message(Kind.DONE, tuple(numbers), residues), pair.public.size)
    read = messages.parsed(Kind.DONE, data, pair.public)
    assert (read.numbers, read.residues) == (tuple(numbers), residues)


@quick
@given(st.binary(max_size=300))
def test_garbage_is_refused_or_is_a_whole_message(pair, data: bytes) -> None:
    try:
        read = messages.parsed(Kind.DONE, data, pair.public)
    except MessageRefused:
        return
    assert messages.payload(read, pair.public.size) == data


@pytest.mark.parametrize("value", ["0", "n", "n * 7", "n * n", "n * n + 1"])
def test_a_residue_that_is_no_ciphertext_is_refused(pair, value: str) -> None:
    residue = mpz(eval(value, {"n": pair.public.n}))
    data = messages.payload(Message(Kind.DONE, (), (mpz(3), residue)), pair.public.size)
    with pytest.raises(MessageRefused, match="residue"):
        messages.parsed(Kind.DONE, data, pair.public)


@pytest.mark.parametrize(
    "head, found",
    [
        (HEADER.pack(b"PURE", 1, 3, bytes(16), 0, 0), "does not begin"),
        (HEADER.pack(b"PURA", 2, 3, bytes(16), 0, 0), "version 2"),
        (HEADER.pack(b"PURA", 1, 99, bytes(16), 0, 0), "kind is unknown"),
        (HEADER.pack(b"PURA", 1, 3, bytes(16), 0, 2000), "more than 1000 bytes"),
    ],
)
def test_a_header_is_refused_before_its_payload_is_read(head: bytes, found: str) -> None:
    with pytest.raises(MessageRefused, match=found):
        messages.header(head, 1000)


def test_a_message_too_long_is_not_sent(pair) -> None:
    with pytest.raises(MessageRefused, match="too long"):
        messages.payload(Message(Kind.DONE, (), (mpz(1),) * (messages.MOST_PAYLOAD // 100)), pair.public.size)


Talk = Callable[[Callable[[Link, socket.socket], None]], list[BaseException]]


@pytest.fixture
def talk(pair) -> Talk:
    """Let a client talk to a listening link that answers every question; returns what stopped the listener."""

    def run(client: Callable[[Link, socket.socket], None]) -> list[BaseException]:
        stopped: list[BaseException] = []

        def listen() -> None:
            connection, _ = listening.accept()
            with Link(connection, pair.public, 5) as link:
                try:
                    link.welcome(KEYS)
                    while (message := link.question()) is not None:
                        link.reply(message.numbers, message.residues)
                except (MessageRefused, ServerLost) as error:
                    stopped.append(error)

        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=listen)
            thread.start()
            port = listening.getsockname()[1]
            with Link.to(port, KEYS[Role.PEER], Role.PEER, pair.public, 5) as link:
                client(link, link.connection)
            thread.join()
        return stopped

    return run


def due(link: Link, kind: Kind = Kind.COMPARE, numbers: tuple[int, ...] = (7,)) -> bytes:
    """The frame that is next on a link."""
    data = messages.payload(Message(kind, numbers), link.public.size)
    return messages.frame(link.key, kind, link.session, link.position, data)


def drain(raw: socket.socket) -> None:
    """Read until the other side hangs up."""
    with contextlib.suppress(OSError):
        while raw.recv(4096):
            pass


def test_questions_are_answered_in_turn(talk: Talk) -> None:
    def client(link: Link, raw: socket.socket) -> None:
        for number in range(3):
            assert link.ask(Kind.COMPARE, (number,)).numbers == (number,)
        assert link.sent and link.received

    assert talk(client) == []


def refusal(stopped: list[BaseException]) -> str:
    (error,) = stopped
    assert isinstance(error, MessageRefused)
    return str(error)


def test_a_replayed_message_is_refused(talk: Talk) -> None:
    def client(link: Link, raw: socket.socket) -> None:
        raw.sendall(due(link) * 2)
        drain(raw)

    assert "out of its order" in refusal(talk(client))


def test_a_message_ahead_of_its_turn_is_refused(talk: Talk) -> None:
    def client(link: Link, raw: socket.socket) -> None:
        link.position += 2
        raw.sendall(due(link))
        drain(raw)

    assert "out of its order" in refusal(talk(client))


def test_a_message_of_another_session_is_refused(talk: Talk) -> None:
    recorded = []

    def record(link: Link, raw: socket.socket) -> None:
        recorded.append(due(link))

    def client(link: Link, raw: socket.socket) -> None:
        raw.sendall(recorded[0])
        drain(raw)

    talk(record)
    assert "another session" in refusal(talk(client))


def test_an_answer_sent_back_as_a_question_is_refused(talk: Talk) -> None:
    def client(link: Link, raw: socket.socket) -> None:
        raw.sendall(due(link))
        raw.sendall(raw.recv(4096))
        drain(raw)

    assert "out of its order" in refusal(talk(client))


@pytest.mark.parametrize("place", [HEADER.size + 1, -1])
def test_a_changed_message_is_refused(talk: Talk, place: int) -> None:
    def client(link: Link, raw: socket.socket) -> None:
        changed = bytearray(due(link))
        changed[place] ^= 1
        raw.sendall(changed)
        drain(raw)

    assert "seal" in refusal(talk(client))


def test_a_question_that_is_not_for_the_role_is_refused(talk: Talk) -> None:
    def client(link: Link, raw: socket.socket) -> None:
        raw.sendall(due(link, Kind.IDENTIFY))
        drain(raw)

    assert "not for this role" in refusal(talk(client))


def test_half_a_message_ends_the_link(talk: Talk) -> None:
    def client(link: Link, raw: socket.socket) -> None:
        raw.sendall(due(link)[:-5])

    (error,) = talk(client)
    assert isinstance(error, ServerLost) and "hung up" in str(error)


def test_a_wrong_key_is_not_welcomed(pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def listen() -> None:
            connection, _ = listening.accept()
            with Link(connection, pair.public, 5) as link, pytest.raises(MessageRefused, match="seal"):
                link.welcome(KEYS)

        thread = threading.Thread(target=listen)
        thread.start()
        with pytest.raises(ServerLost):
            Link.to(listening.getsockname()[1], bytes(32), Role.USER, pair.public, 5)
        thread.join()


def test_a_silent_server_is_given_up_in_time(pair) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        pytest.raises(ServerLost, match=r"within 0\.2 s"),
    ):
        Link.to(listening.getsockname()[1], KEYS[Role.USER], Role.USER, pair.public, 0.2)
