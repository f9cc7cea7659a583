"""A server's half of the gallery on disk: one file a row, written whole or not at all, read again after a restart."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from pathlib import Path

from bench import answers
from facebench_pura import messages
from facebench_pura.keys import PublicKey
from facebench_pura.messages import Kind, Message
from facebench_pura.refusals import MessageRefused, ValueRefused
from facebench_pura.templates import Layout, Template

MAGIC = b"PURA-ROW-1\n"
HEAD = struct.Struct(">32sI")
DIGEST = 32


@dataclass(slots=True)
class Enrolment:
    """Rows by tag (position in the whole gallery, from 1); all of one layout under one key."""

    folder: Path
    public: PublicKey
    mask_bits: int
    layout: Layout | None = None
    rows: dict[int, Template] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, public: PublicKey, mask_bits: int) -> Enrolment:
        """What lies in a folder; raises ValueRefused where a file is damaged or of another key."""
        enrolment = cls(folder, public, mask_bits)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in sorted(folder.glob("row-*.bin")):
            data = path.read_bytes()
            body, digest = data[:-DIGEST], data[-DIGEST:]
            if hashlib.sha256(body).digest() != digest or not body.startswith(MAGIC):
                raise _damaged(path, "is damaged or cut off")
            key, tag = HEAD.unpack_from(body, len(MAGIC))
            if key != fingerprint(public):
                raise _damaged(path, "was written under another key")
            try:
                row = messages.parsed(Kind.ENROL, body[len(MAGIC) + HEAD.size :], public)
            except MessageRefused:
                raise _damaged(path, "holds no row") from None
            enrolment.take(tag, row.numbers[0], row)
        return enrolment

    def take(self, tag: int, dimension: int, row: Message) -> None:
        """Keep a row in memory; raises ValueRefused where it has another dimension than the others."""
        layout = Layout.of(self.public, dimension, self.mask_bits)
        if self.layout not in (None, layout):
            raise ValueRefused("A row was to be enrolled.", "It has another dimension.", "Enrol one dimension.")
        template = Template.of_flat(layout, row.residues)
        self.layout, self.rows[tag] = layout, template

    def write(self, tag: int, row: Message) -> None:
        """Keep a row on disk; a row of that tag is replaced. Raises NotWritten."""
        head = MAGIC + HEAD.pack(fingerprint(self.public), tag)
        body = head + messages.payload(row, self.public.size)
        answers.write(self.folder / f"row-{tag:08d}.bin", body + hashlib.sha256(body).digest())


def fingerprint(public: PublicKey) -> bytes:
    """SHA-256 of a modulus."""
    return hashlib.sha256(public.n.to_bytes(public.size, "big")).digest()


def _damaged(path: Path, found: str) -> ValueRefused:
    return ValueRefused(f"{path.name} was read.", f"It {found}.", "Remove it and enrol that row again.")
