"""The organisation that owns the key: it starts the two servers, enrols, and hands out what a user needs."""

from __future__ import annotations

import json
import os
import secrets
import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gmpy2 import mpz

from facebench_pura import keys, randomness, shares, templates
from facebench_pura.keys import PrivateKey, PublicKey
from facebench_pura.link import Link, lost
from facebench_pura.messages import Kind, Message, Role
from facebench_pura.paillier import Encryptor, OwnerEncryptor, decrypt
from facebench_pura.refusals import ValueRefused
from facebench_pura.server import MOST_ANSWERS, TAG_BITS
from facebench_pura.templates import MASK_BITS, Layout, Template

START_LIMIT = 60.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What the servers are set up with.

    ``threshold``: the largest squared distance that is accepted, below 2^32 - 1; ``split``: a way of ``shares.SPLITS``;
    ``spread``: octaves of SCMP's mask, None for all that the key allows, 1 for the published mask; ``limit``: seconds
    that a server waits for the other; ``window``: of the servers' encryption tables; ``kernel``: see ``kernel``.
    """

    threshold: int
    split: str = "default"
    mask_bits: int = MASK_BITS
    spread: int | None = None
    limit: float = 300.0
    window: int = 8
    kernel: str = "auto"


class Organisation:
    """Owns the key and two server processes with a folder each under ``folder``; use as a context, or ``stop``."""

    def __init__(self, private: PrivateKey, folder: Path, setup: Setup) -> None:
        if not 0 <= setup.threshold < (1 << 32) - 1:
            raise ValueRefused("A threshold was given.", "It is not in [0, 2^32 - 1).", "Give a squared distance.")
        self.private, self.public, self.setup, self.folder = private, private.public, setup, Path(folder)
        self.keys = {role: secrets.token_bytes(32) for role in Role}
        self.shares = shares.split(private, setup.split)
        self.encryptor = OwnerEncryptor(private, setup.window, setup.kernel)
        self.layout: Layout | None = None
        self.rows = 0
        self.servers: list[_Process] = []
        try:
            for index in (0, 1):
                self.servers.append(_Process(self._told(index)))
            for server in self.servers:
                server.await_port()
            self._introduce()
            self._recall()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        """The organisation, with both servers running."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop both servers."""
        self.stop()

    @property
    def processes(self) -> tuple[int, ...]:
        """Process ids of the two servers."""
        return tuple(server.process.pid for server in self.servers)

    @property
    def security_bits(self) -> int:
        """The weakest of the live public key and shares; a published first share makes it 0."""
        return min(keys.security_bits(self.public), *map(shares.security_bits, self.shares))

    @property
    def traffic(self) -> int:
        """Bytes that went between the two servers since they were started, both ways."""
        return sum((numbers[2] << 32) + numbers[3] for numbers in map(self._status, (0, 1)))

    def enrol(self, rows: Sequence[Sequence[int]]) -> None:
        """Encrypt int8 templates and hand them to the servers in turn; kept on disk before it returns."""
        for row in rows:
            layout = self.layout or Layout.of(self.public, len(row), self.setup.mask_bits)
            template = templates.row(self.encryptor, row, layout)
            with self.link(self.rows % 2) as link:
                link.ask(Kind.ENROL, (self.rows + 1, layout.dimension), template.flat())
            self.layout, self.rows = layout, self.rows + 1

    def user(self, encryptor: Any = None, limit: float | None = None) -> User:
        """A user of the first server; ``limit``: seconds that it waits; ``encryptor``: one that is made already.

        Raises ValueRefused before any enrolment.
        """
        if self.layout is None:
            raise ValueRefused("A user was to be admitted.", "Nothing is enrolled.", "Enrol a template first.")
        encryptor = encryptor or Encryptor(self.public, self.setup.window, self.setup.kernel)
        limit = self.setup.limit if limit is None else limit
        return User(self.public, encryptor, self.layout, self.servers[0].port, self.keys[Role.USER], limit)

    def distances(self, probe: Template) -> list[mpz]:
        """[squared distance] of each row, in the order of enrolment."""
        with self.link(0) as link:
            answer = link.ask(Kind.DISTANCES, (0,), probe.flat())
        first, second = answer.residues[: answer.numbers[0]], answer.residues[answer.numbers[0] :]
        return [(first, second)[place % 2][place // 2] for place in range(len(answer.residues))]

    def decrypt(self, ciphertexts: Sequence[mpz]) -> list[int]:
        """Plaintexts, by the key owner."""
        return [int(value) for value in decrypt(self.private, ciphertexts)]

    def link(self, index: int) -> Link:
        """The owner's link to a server."""
        return Link.to(self.servers[index].port, self.keys[Role.OWNER], Role.OWNER, self.public, self.setup.limit)

    def restart(self, index: int) -> None:
        """End a server if it runs and start it again on its folder; the other one is told."""
        self.servers[index].stop()
        self.servers[index] = _Process(self._told(index))
        self.servers[index].await_port()
        self._introduce()

    def stop(self) -> None:
        """End both servers."""
        for server in self.servers:
            server.stop()

    def _recall(self) -> None:
        """Take up an enrolment that an earlier run under the same key left in the folder."""
        known = [self._status(index) for index in (0, 1)]
        if known[0][0] - known[1][0] not in (0, 1):
            raise ValueRefused(
                f"The gallery of {self.folder} was taken up.",
                f"Its halves have {known[0][0]} and {known[1][0]} rows, which do not fit together.",
                "Remove the folder and enrol again.",
            )
        dimension = max(numbers[1] for numbers in known)
        self.rows = sum(numbers[0] for numbers in known)
        if dimension:
            self.layout = Layout.of(self.public, dimension, self.setup.mask_bits)

    def _status(self, index: int) -> tuple[int, ...]:
        with self.link(index) as link:
            return link.ask(Kind.STATUS).numbers

    def _introduce(self) -> None:
        for server, other in (self.servers, self.servers[::-1]):
            server.introduce(other.port)

    def _told(self, index: int) -> _Told:
        folder = self.folder / f"server-{index + 1}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        share, setup = self.shares[index], self.setup
        line = {
            "index": index + 1,
            "folder": str(folder),
            "n": f"{self.public.n:x}",
            "base": f"{self.public.base:x}",
            "exponent_bits": self.public.exponent_bits,
            "share": f"{share.exponent:x}",
            "published": share.published,
            "first_bits": share.first_bits,
            "keys": {role.name: key.hex() for role, key in self.keys.items()},
            **{
                name: getattr(setup, name) for name in ("threshold", "mask_bits", "spread", "window", "kernel", "limit")
            },
        }
        return _Told(folder, json.dumps(line) + "\n")


@dataclass(frozen=True, slots=True)
class User:
    """Holds the public key; sends one message, waits, and alone learns the answer."""

    public: PublicKey
    encryptor: Any = field(repr=False)
    layout: Layout
    port: int
    key: bytes = field(repr=False)
    limit: float

    def encrypt(self, features: Sequence[int]) -> Template:
        """A probe of int8 features under encryption."""
        return templates.probe(self.encryptor, features, self.layout)

    def identify(self, probe: Template, count: int = 1) -> list[int | None]:
        """Positions of the ``count`` nearest rows, None where none is near enough.

        Raises ServerLost where a server is lost or no answer comes within ``limit`` seconds.
        """
        if not 1 <= count <= MOST_ANSWERS:
            raise ValueRefused(f"{count} answers were asked for.", f"1 to {MOST_ANSWERS} are given.", "Ask for fewer.")
        pads = [int(randomness.bits(TAG_BITS + MASK_BITS)) for _ in range(count)]
        hidden = [*probe.flat(), *self.encryptor.encrypt(pads)]
        with Link.to(self.port, self.key, Role.USER, self.public, self.limit) as link:
            answer: Message = link.ask(Kind.IDENTIFY, (count,), hidden)
        if len(answer.residues) != count:
            raise lost("its reply has another length")
        tags = [int(value) - pad for value, pad in zip(answer.residues, pads, strict=True)]
        return [tag - 1 if tag else None for tag in tags]


@dataclass(frozen=True, slots=True)
class _Told:
    folder: Path
    line: str = field(repr=False)


class _Process:
    """One server process; what it is told goes to its standard input."""

    def __init__(self, told: _Told) -> None:
        paths = [str(Path(__file__).resolve().parent.parent), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
        # glibc gives each thread a heap of its own, which fragment; two keep a server's memory flat.
        environment.setdefault("MALLOC_ARENA_MAX", "2")
        with open(told.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "facebench_pura.server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
            )
        self.port = 0
        self.tell(told.line)

    def tell(self, line: str) -> None:
        """Write a line to its standard input; nothing where it has ended, which its next link will show."""
        assert self.process.stdin
        try:
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
        except OSError:
            return

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

    def await_port(self) -> None:
        """Wait until it serves; raises ServerLost where it ends first or takes over a minute."""
        word, _, port = self._heard().partition(" ")
        if word != "port":
            raise lost("it ended at its start; its server.log says why")
        self.port = int(port)

    def introduce(self, port: int) -> None:
        """Tell it the other server's port and wait until it knows."""
        self.tell(f"peer {port}\n")
        self._heard()

    def _heard(self) -> str:
        """The next line that it prints, "" where it has ended; raises ServerLost after a minute."""
        assert self.process.stdout
        if not select.select([self.process.stdout], [], [], START_LIMIT)[0]:
            raise lost(f"it said nothing within {START_LIMIT:g} s")
        return self.process.stdout.readline().decode()
