"""Pura as one object with the stages that are measured; it checks its own state and holds no global one."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from gmpy2 import mpz

from facebench_pura import keys, messages, packing, templates
from facebench_pura.gallery import PlainGallery, score_bits
from facebench_pura.keys import PrivateKey
from facebench_pura.messages import Kind, Message
from facebench_pura.organisation import Organisation, Setup
from facebench_pura.paillier import WINDOW, Encryptor, OwnerEncryptor, decrypt
from facebench_pura.refusals import ValueRefused
from facebench_pura.templates import Layout, Template

DIVISIONS = ("public", "packed", "owner", "pool")
GALLERIES = ("plaintext", "encrypted")
FORMS = ("features", "packed", "template", "scores")
# Of encrypted galleries: the threshold of ``answer`` where none is given accepts every distance.
ANY_DISTANCE = (1 << 32) - 2


@dataclass(frozen=True, slots=True)
class Encrypted:
    """Ciphertexts without a key: ``form`` of ``FORMS``, how many values they hold, bits of a slot (packed ones)."""

    form: str
    count: int
    slot: int
    ciphertexts: tuple[mpz, ...]


class PuraMatcher:
    """Threshold Paillier with fast-subgroup keys.

    ``division``: who encrypts and how; "public" (public key, a ciphertext a feature), "packed" (public key, several
    features a ciphertext: cannot be matched), "owner" (with the factors), "pool" (public key, randomness made before).
    ``gallery``: "plaintext" (this process holds int8 rows; scores are inner products, higher is more alike) or
    "encrypted" (two server processes hold ciphertexts; scores are squared distances, lower is more alike).
    ``insecure`` allows test keys; ``folder`` keeps an encrypted gallery, a temporary one where it is None.
    """

    def __init__(
        self,
        division: str = "public",
        gallery: str = "plaintext",
        setup: Setup | None = None,
        window: int = WINDOW,
        insecure: bool = False,
        folder: Path | None = None,
    ) -> None:
        if division not in DIVISIONS or gallery not in GALLERIES:
            raise ValueRefused(
                f"{division!r} with a gallery {gallery!r} was asked for.",
                f"Divisions: {', '.join(DIVISIONS)}; galleries: {', '.join(GALLERIES)}.",
                "Take one of each.",
            )
        self.division, self.gallery, self.insecure, self.window = division, gallery, insecure, window
        self.setup = setup or Setup(threshold=ANY_DISTANCE)
        self.folder = folder
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._private: PrivateKey | None = None
        self._encryptor: Any = None
        self._pool: Any = None
        self._plain: PlainGallery | None = None
        self._organisation: Organisation | None = None

    def keygen(self, bits: int) -> None:
        """A new key; whatever was made under another one is dropped. Raises KeyRefused."""
        self.close()
        self._private = keys.generate(bits, self.insecure)

    def precompute(self, pooled: int = 0) -> None:
        """Make the tables; division "pool": also randomness for ``pooled`` more encryptions."""
        if self._encryptor is None:
            kind = OwnerEncryptor if self.division == "owner" else Encryptor
            given: Any = self._key if self.division == "owner" else self._key.public
            self._encryptor = kind(given, self.window, self.setup.kernel)
        if self.division == "pool" and pooled:
            self._pool = self._encryptor.randomness(pooled)

    def enrol(self, rows: Any) -> None:
        """Enrol int8 [n, d]; an encrypted gallery starts its two servers first and grows with each call."""
        if self.gallery == "plaintext":
            self._plain = PlainGallery(rows, self._key.public, self.setup.kernel)
            return
        if self._organisation is None:
            folder = self.folder
            if folder is None:
                self._scratch = tempfile.TemporaryDirectory(prefix="facebench-pura-")
                folder = Path(self._scratch.name)
            self._organisation = Organisation(self._key, folder, self.setup)
        self._organisation.enrol(rows)

    def encrypt(self, probe: Sequence[int]) -> Encrypted:
        """A probe of int8 features under encryption, as division and gallery ask."""
        values = [int(value) for value in probe]
        encryptor = self._pool if self.division == "pool" else self._encryptor
        if encryptor is None:
            raise _early("encrypt", "precompute")
        if self.division == "packed":
            slot = score_bits(len(values))
            per = packing.capacity(self._key.public.bits, slot)
            return Encrypted("packed", len(values), slot, tuple(encryptor.encrypt(packing.packs(values, slot, per))))
        if self.gallery == "plaintext":
            return Encrypted("features", len(values), 0, tuple(encryptor.encrypt(values)))
        layout = Layout.of(self._key.public, len(values), self.setup.mask_bits)
        template = templates.probe(encryptor, values, layout)
        return Encrypted("template", len(values), 0, tuple(template.flat()))

    def match(self, probe: Encrypted) -> Encrypted:
        """The score against each row, under encryption, in the order of enrolment.

        Raises ValueRefused for a packed probe, ServerLost where a server of an encrypted gallery is lost.
        """
        if self.gallery == "plaintext":
            if self._plain is None or probe.form != "features":
                raise _early("match", "enrol, and encrypt feature by feature")
            scores = self._plain.match(probe.ciphertexts)
        else:
            scores = self._running.distances(self._template(probe))
        return Encrypted("scores", len(scores), 0, tuple(scores))

    def pack(self, scores: Encrypted) -> Encrypted:
        """Scores of a plaintext gallery, joined so that few decryptions are needed."""
        if self._plain is None or scores.form != "scores":
            raise _early("pack", "match against a plaintext gallery")
        return Encrypted("packed", scores.count, self._plain.slot, tuple(self._plain.packed(scores.ciphertexts)))

    def answer(self, probe: Encrypted) -> int | None:
        """The position of the most alike row.

        Plaintext gallery: decrypted by the owner. Encrypted gallery: by the servers, told to a user who holds the
        public key only; None where no row is within the threshold.
        """
        if self.gallery == "plaintext":
            scores = self.decrypt(self.pack(self.match(probe)))
            return max(range(len(scores)), key=scores.__getitem__)
        return self._running.user(self._encryptor).identify(self._template(probe))[0]

    def decrypt(self, encrypted: Encrypted) -> list[int]:
        """The values, by the key owner: features of a probe, or scores."""
        plain = [int(value) for value in decrypt(self._key, encrypted.ciphertexts)]
        if encrypted.form != "packed":
            return plain[: encrypted.count]
        per = packing.capacity(self._key.public.bits, encrypted.slot)
        counts = [min(per, encrypted.count - start) for start in range(0, encrypted.count, per)]
        slots = zip(plain, counts, strict=True)
        return [value for packed, count in slots for value in packing.unpack(packed, encrypted.slot, count)]

    def serialise(self, encrypted: Encrypted) -> bytes:
        """Ciphertexts as bytes; no key is in them."""
        head = (FORMS.index(encrypted.form), encrypted.count, encrypted.slot)
        return messages.payload(Message(Kind.DONE, head, encrypted.ciphertexts), self._key.public.size)

    def deserialise(self, data: bytes) -> Encrypted:
        """The ciphertexts of ``serialise``; raises MessageRefused where the bytes are anything else."""
        message = messages.parsed(Kind.DONE, data, self._key.public)
        if len(message.numbers) != 3 or message.numbers[0] >= len(FORMS):
            raise messages.refused("it holds no ciphertexts of a matcher")
        form, count, slot = message.numbers
        return Encrypted(FORMS[form], count, slot, message.residues)

    def processes(self) -> tuple[int, ...]:
        """Process ids of the servers, beside this process; none for a plaintext gallery."""
        return self._organisation.processes if self._organisation else ()

    @property
    def security_bits(self) -> int:
        """Bits of security, read from the live keys and, where there are servers, shares."""
        if self._organisation:
            return self._organisation.security_bits
        return keys.security_bits(self._key.public)

    @property
    def kernel(self) -> str:
        """The path that multiplies: "portable" or "native"."""
        if self._encryptor is None:
            raise _early("kernel", "precompute")
        return str(self._encryptor.tables[0].kernel)

    @property
    def table_bytes(self) -> int:
        """Bytes of the encryption tables in this process."""
        return sum(table.held for table in self._encryptor.tables) if self._encryptor else 0

    @property
    def traffic(self) -> int:
        """Bytes that went between the two servers since they were started; 0 without servers."""
        return self._organisation.traffic if self._organisation else 0

    def close(self) -> None:
        """Forget the key, end the servers, and remove a temporary gallery."""
        if self._organisation:
            self._organisation.stop()
        if self._scratch:
            self._scratch.cleanup()
        self._private = self._encryptor = self._pool = self._plain = self._organisation = self._scratch = None

    def __reduce__(self) -> NoReturn:
        """Raises TypeError: keys do not leave their process."""
        raise TypeError("a matcher is not pickled")

    @property
    def _key(self) -> PrivateKey:
        if self._private is None:
            raise _early("this stage", "keygen")
        return self._private

    @property
    def _running(self) -> Organisation:
        if self._organisation is None:
            raise _early("match", "enrol")
        return self._organisation

    def _template(self, probe: Encrypted) -> Template:
        if probe.form != "template":
            raise _early("match", "encrypt feature by feature")
        layout = Layout.of(self._key.public, probe.count, self.setup.mask_bits)
        return Template.of_flat(layout, probe.ciphertexts)


def _early(stage: str, before: str) -> ValueRefused:
    return ValueRefused(f"The stage '{stage}' was called.", "What it needs is not there.", f"First: {before}.")
