"""Vectors drawn by code, encrypted and matched: encryption/random-DIMENSION/BITS-bit, and a division of its own each.

Without a suffix a user encrypts with the public key, a ciphertext a feature, and matches against galleries of 1, 1,000
and 10,000 plaintext and of 1, 16 and 64 encrypted rows. ``-packed``, ``-owner`` and ``-pool`` are encryption alone, in
the other divisions: how a probe was encrypted does not change what matching it costs. That of 16 features is small, for
a first look.
"""

from __future__ import annotations

from pathlib import Path

from bench.measuring import DIVISIONS
from bench.protocol import Content, Data, Protocol
from bench.tasks import encryption
from bench.tasks.encryption import Work

INPUTS = "int8"
GALLERIES = (*(("plaintext", n) for n in (1, 1000, 10000)), *(("encrypted", n) for n in (1, 16, 64)))
DATA = Data(
    name="vectors of random numbers",
    folder="",
    licence="none: drawn by code",
    source="bench.measuring",
    trials_publishable=True,
)
ABOUT = {
    "public": "the user encrypts with the public key, a ciphertext a feature",
    "packed": "the user encrypts with the public key, several features a ciphertext, which cannot be matched",
    "owner": "the owner encrypts with the secret key",
    "pool": "the user encrypts with the public key and randomness made before, which encrypt_total counts",
}


def protocol(name: str, work: Work) -> Protocol:
    """The protocol that measures this work."""

    def read(root: Path) -> Content:
        return work.content()

    return Protocol(
        name=name,
        version=1,
        task=encryption.TASK,
        data=DATA,
        inputs=INPUTS,
        read=read,
        metrics=encryption.metrics(work),
        trials_sha256=work.sha256(),
        about=(
            f"{work.dimension} int8 features, {work.bits}-bit keys; division {work.division}: {ABOUT[work.division]}"
        ),
        settings={"division": work.division},
        shown=encryption.shown(work),
    )


SMALL = protocol("encryption/random-16/2048-bit", Work(16, 2048, galleries=(("plaintext", 16),), rounds=3))
PROTOCOLS = (
    SMALL,
    *(
        protocol(
            f"encryption/random-{dimension}/{bits}-bit" + ("" if division == "public" else f"-{division}"),
            Work(dimension, bits, division, GALLERIES if division == "public" else ()),
        )
        for dimension in (128, 512)
        for bits in (2048, 3072)
        for division in DIVISIONS
    ),
)
