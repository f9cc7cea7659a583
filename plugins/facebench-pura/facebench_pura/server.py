"""One of the two servers, as a process of its own: it holds one share, one half of the gallery, and never the key.

Run by ``organisation`` as ``python -m facebench_pura.server``. Its settings and its share come as one line on standard
input, never as an argument, a variable or a file; later lines say the other server's port; the end of standard input
ends it. It prints its port, and "peer" once it knows the other's. On standard error it names refusals by fixed texts
and never a value.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmpy2 import mpz

import bench
from facebench_pura import helping
from facebench_pura.enrolment import Enrolment
from facebench_pura.helping import Helper
from facebench_pura.keys import PublicKey
from facebench_pura.link import Link
from facebench_pura.messages import Kind, Message, Role
from facebench_pura.paillier import Encryptor
from facebench_pura.refusals import MessageRefused, ServerLost, ValueRefused
from facebench_pura.shares import Opened, Share
from facebench_pura.starting import Starter
from facebench_pura.templates import Layout, Template

KINDS = {
    helping.MULTIPLY: Kind.MULTIPLY,
    helping.COMPARE: Kind.COMPARE,
    helping.SQUARE: Kind.SQUARE,
    helping.REVEAL: Kind.REVEAL,
}
HELPS = {kind: name for name, kind in KINDS.items()}
MOST_LINKS, MOST_QUERIES, MOST_WORDS, GREETING_LIMIT = 64, 8, 1000, 10.0
TAG_BITS, MOST_ANSWERS = 32, 16
Candidate = tuple[mpz, mpz]


@dataclass(slots=True)
class Settings:
    """What a server is told at its start; ``threshold``: the largest squared distance that is accepted."""

    index: int
    folder: Path
    share: Share = field(repr=False)
    keys: dict[Role, bytes] = field(repr=False)
    threshold: int
    mask_bits: int
    spread: int | None
    window: int
    kernel: str
    limit: float

    @classmethod
    def parsed(cls, line: str) -> Settings:
        """The settings of ``line``, made by ``organisation``."""
        told: dict[str, Any] = json.loads(line)
        public = PublicKey.of(int(told["n"], 16), int(told["base"], 16), told["exponent_bits"])
        share = Share(public, mpz(told["share"], 16), told["published"], told["first_bits"])
        keys = {Role[name]: bytes.fromhex(key) for name, key in told["keys"].items()}
        names = ("index", "threshold", "mask_bits", "spread", "window", "kernel", "limit")
        return cls(folder=Path(told["folder"]), share=share, keys=keys, **{name: told[name] for name in names})


class Server:
    """Answers links, each in one of its threads; ``peer`` is the other server's port.

    ``traffic`` counts the bytes, both ways, of the links that it opened to the other server.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.public = settings, settings.share.public
        self.encryptor = Encryptor(self.public, settings.window, settings.kernel)
        self.helper = Helper(settings.share, self.encryptor)
        self.enrolment = Enrolment.read(settings.folder, self.public, settings.mask_bits)
        self.peer, self.lock, self.words, self.traffic = 0, threading.Lock(), 0, 0
        self.queries = threading.BoundedSemaphore(MOST_QUERIES)
        # Threads are kept and used again: gmpy2 holds on to some memory of every thread that has ever used it.
        self.links, self.halves = ThreadPoolExecutor(MOST_LINKS), ThreadPoolExecutor(MOST_QUERIES)

    def serve(self, listening: socket.socket) -> None:
        """Accept links for ever; more than ``MOST_LINKS`` at once wait in the queue."""
        free = threading.Semaphore(MOST_LINKS)
        while True:
            free.acquire()
            connection, _ = listening.accept()
            self.links.submit(self._link, connection, free)

    def _link(self, connection: socket.socket, free: threading.Semaphore) -> None:
        try:
            with Link(connection, self.public, min(GREETING_LIMIT, self.settings.limit)) as link:
                link.welcome(self.settings.keys)
                link.limit = self.settings.limit
                while (message := link.question()) is not None:
                    self._answer(link, message)
        except bench.FacebenchError as error:
            self.say(f"{type(error).__name__}: {error.found}")
        except Exception as error:  # one link must not end the server; its text might hold a value
            self.say(type(error).__name__)
        finally:
            free.release()

    def _answer(self, link: Link, message: Message) -> None:
        query = link.role != Role.PEER and message.kind in (Kind.IDENTIFY, Kind.DISTANCES)
        if query and not self.queries.acquire(blocking=False):
            link.refuse(5)
            return
        try:
            numbers, residues = self._reply(message)
        except ServerLost as error:
            self.say(f"ServerLost: {error.found}")
            link.refuse(1)
        except MessageRefused as error:
            self.say(f"MessageRefused: {error.found}")
            link.refuse(4)
        except ValueRefused as error:
            self.say(f"ValueRefused: {error.found}")
            link.refuse(3 if query and not self.enrolment.rows else 2)
        except Exception as error:  # its text might hold a value
            self.say(type(error).__name__)
            link.refuse(4)
        else:
            link.reply(numbers, residues)
        finally:
            if query:
                self.queries.release()

    def _reply(self, message: Message) -> tuple[Sequence[int], Sequence[mpz]]:
        kind, numbers, residues = message.kind, message.numbers, message.residues
        if kind in HELPS:
            return (), self.helper.answer(HELPS[kind], numbers, _pairs(residues))
        if kind == Kind.STATUS:
            layout = self.enrolment.layout
            return (len(self.enrolment.rows), layout.dimension if layout else 0, *divmod(self.traffic, 1 << 32)), ()
        if kind == Kind.ENROL:
            return self._enrol(message), ()
        if kind == Kind.HALF and len(numbers) == 1 and numbers[0] <= MOST_ANSWERS:
            with self._starter() as starter:
                return (), [value for pair in self._half(starter, residues, numbers[0]) for value in pair]
        if kind == Kind.DISTANCES and len(numbers) == 1:
            return self._distances(residues, alone=bool(numbers[0]))
        if kind == Kind.IDENTIFY and len(numbers) == 1 and 1 <= numbers[0] <= MOST_ANSWERS:
            return (), self._identify(residues[: -numbers[0]], residues[-numbers[0] :])
        raise ValueRefused("A server was asked.", "The numbers do not fit the kind.", "Use one version.")

    def _enrol(self, message: Message) -> Sequence[int]:
        if len(message.numbers) != 2 or not message.numbers[0]:
            raise ValueRefused("A row was to be enrolled.", "Its tag or dimension is missing.", "Use one version.")
        tag, dimension = message.numbers
        row = Message(Kind.ENROL, (dimension,), message.residues)
        with self.lock:
            checked = Enrolment(self.enrolment.folder, self.public, self.settings.mask_bits, self.enrolment.layout)
            checked.take(tag, dimension, row)
            self.enrolment.write(tag, row)
            self.enrolment.take(tag, dimension, row)
            return (len(self.enrolment.rows),)

    def _gallery(self, residues: Sequence[mpz]) -> tuple[Template, dict[int, Template], Layout | None]:
        with self.lock:
            rows, layout = dict(sorted(self.enrolment.rows.items())), self.enrolment.layout
        if layout is None:
            return Template((), ()), {}, None
        return Template.of_flat(layout, residues), rows, layout

    def _half(self, starter: Starter, residues: Sequence[mpz], count: int) -> list[Candidate]:
        """The ``count`` nearest rows of this half, as ([squared distance], [tag])."""
        probe, rows, layout = self._gallery(residues)
        if layout is None:
            return []
        distances = starter.squared_distances(probe, list(rows.values()), layout)
        bits = max(layout.distance_bits, TAG_BITS)
        return starter.ranked(distances, self.encryptor.encrypt(list(rows)), count, bits)

    def _identify(self, probe: Sequence[mpz], pads: Sequence[mpz]) -> list[mpz]:
        """For each pad the tag of the next nearest row plus the pad, 0 plus the pad where none is near enough."""
        count = len(pads)
        with self._starter() as starter, self._to_peer() as peer:
            theirs = self.halves.submit(peer.ask, Kind.HALF, (count,), probe)
            nearest = [*self._half(starter, probe, count), *_pairs(theirs.result().residues)]
            distances, tags = zip(*nearest, strict=True) if nearest else ((), ())
            if not nearest:
                raise ValueRefused("A probe was to be identified.", "Nothing is enrolled.", "Enrol a template.")
            best = starter.ranked(distances, tags, count, TAG_BITS)
            limit = self.encryptor.encrypt([self.settings.threshold + 1] * len(best))
            accepted = starter.less([distance for distance, _ in best], limit, TAG_BITS)
            told = starter.multiply(accepted, [tag for _, tag in best], TAG_BITS)
            told += self.encryptor.encrypt([0] * (count - len(told)))
            return starter.revealed([value * pad % self.public.square for value, pad in zip(told, pads, strict=True)])

    def _distances(self, probe: Sequence[mpz], alone: bool) -> tuple[Sequence[int], Sequence[mpz]]:
        """[squared distance] of every row of this half and, unless ``alone``, of the other; the counts of both."""
        with self._starter() as starter:
            template, rows, layout = self._gallery(probe)
            if alone:
                mine = starter.squared_distances(template, list(rows.values()), layout) if layout else []
                return (len(mine), 0), mine
            with self._to_peer() as peer:
                theirs = self.halves.submit(peer.ask, Kind.DISTANCES, (1,), probe)
                mine = starter.squared_distances(template, list(rows.values()), layout) if layout else []
                found = theirs.result().residues
        if not mine and not found:
            raise ValueRefused("A probe was to be matched.", "Nothing is enrolled.", "Enrol a template.")
        return (len(mine), len(found)), [*mine, *found]

    @contextlib.contextmanager
    def _to_peer(self) -> Iterator[Link]:
        """A link to the other server, its bytes added to ``traffic`` in the end."""
        settings = self.settings
        with Link.to(self.peer, settings.keys[Role.PEER], Role.PEER, self.public, settings.limit) as link:
            try:
                yield link
            finally:
                with self.lock:
                    self.traffic += link.sent + link.received

    @contextlib.contextmanager
    def _starter(self) -> Iterator[Starter]:
        """A starter whose questions go over a link of its own."""
        settings = self.settings
        with self._to_peer() as link:

            def ask(kind: str, numbers: Sequence[int], opened: Sequence[Opened]) -> Sequence[mpz]:
                return link.ask(KINDS[kind], numbers, [value for pair in opened for value in pair]).residues

            yield Starter(settings.share, self.encryptor, ask, settings.mask_bits, settings.spread)

    def say(self, words: str) -> None:
        """A line on standard error, at most ``MOST_WORDS`` of them."""
        self.words += 1
        if self.words <= MOST_WORDS:
            print(f"server {self.settings.index}: {words}", file=sys.stderr, flush=True)


def _pairs(residues: Sequence[mpz]) -> list[Opened]:
    return list(zip(residues[::2], residues[1::2], strict=True))


def main() -> None:
    """Serve until standard input ends."""
    server = Server(Settings.parsed(sys.stdin.readline()))
    with socket.create_server(("127.0.0.1", 0), backlog=MOST_LINKS) as listening:
        print(f"port {listening.getsockname()[1]}", flush=True)
        threading.Thread(target=server.serve, args=(listening,), daemon=True).start()
        for line in sys.stdin:
            word, _, port = line.partition(" ")
            if word == "peer" and port.strip().isdecimal():
                server.peer = int(port)
                print("peer", flush=True)
        os._exit(0)


if __name__ == "__main__":
    main()
