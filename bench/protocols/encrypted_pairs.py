"""Protocols of verification asked again under encryption: encryption/lfw/view2-arcface112, and a way to make others.

Without a suffix the gallery is encrypted, and scores are squared distances; with ``-plaintext`` the server holds it in
the clear, and scores are inner products.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.metrics.encrypted_trials import ENCRYPTED_METRICS
from bench.protocol import Content, Protocol
from bench.protocols.lfw import PROTOCOLS as LFW
from bench.tasks import encrypted_verification as task
from bench.tasks import verification
from bench.tasks.encrypted_verification import EncryptedPairs

BITS = 2048
KINDS = {
    "": ("encrypted", "squared distances to an encrypted gallery"),
    "-plaintext": ("plaintext", "inner products with a gallery in the clear"),
}


def under_encryption(asked: Protocol, name: str, bits: int = BITS) -> tuple[Protocol, ...]:
    """A protocol of verification over pairs, its images embedded and matched under keys of ``bits``: one a gallery."""
    return tuple(_protocol(asked, f"{name}{suffix}", bits, *kind) for suffix, kind in KINDS.items())


def _protocol(asked: Protocol, name: str, bits: int, gallery: str, scores: str) -> Protocol:
    def read(root: Path) -> Content:
        content = asked.read(root)
        return replace(content, truth=EncryptedPairs(content.truth, bits, gallery))

    return replace(
        asked,
        name=name,
        version=1,
        task=task.TASK,
        read=read,
        metrics=ENCRYPTED_METRICS,
        about=(
            f"{asked.about}; embedded, made int8, and decided by {scores}, at least {task.LEAST_MATCHED} pairs through "
            f"the protocol with {bits}-bit keys"
        ),
        trains=False,
        settings={
            **asked.settings,
            "replicates": verification.REPLICATES,
            "quantisation": task.RULE,
            "bits": bits,
            "gallery": gallery,
            "matched": task.LEAST_MATCHED,
        },
        ways=(),
    )


ALIGNED = next(one for one in LFW if one.name == "verification/lfw/view2-arcface112")
PROTOCOLS = under_encryption(ALIGNED, "encryption/lfw/view2-arcface112")
