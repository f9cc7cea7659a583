"""Inversion over faces aligned to 112x112: inversion/DATA/PROTOCOL, one a kind of access.

Without a suffix the attack is told scores alone; ``-embedding``: the embeddings of its own images as well;
``-gradient``: the scores' gradients too. Pairs, images and folds are those of the verification protocol of that name.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench.attacking import GROUP
from bench.metrics.inversion import RATES, metrics
from bench.oracle import ACCESS, SIMILARITY
from bench.protocol import Content, Protocol
from bench.protocols import insightface_bin, lfw
from bench.tasks import inversion
from bench.tasks.reconstructed import content

TOLD = {
    "similarity": "the attack is told scores alone",
    "embedding": "the attack is told scores and the embeddings of its images",
    "gradient": "the attack is told scores, embeddings and gradients",
}


# What a board has room for beside the headline; all figures are in a result's file.
SHOWN = (
    *("best.type2_tar@far=1e-3", "best.ps1", "best.asr1", "best.asr2", "best.substitution_refit", "best.cosine"),
    *("last.asr1", "transfer.best.asr1", "realigned.best.asr1", "queries", "outside", "clean.accuracy"),
    "realigned.clean.accuracy",
)


def over(pairs: Protocol, rates: tuple[str, ...] = RATES) -> tuple[Protocol, ...]:
    """The inversion protocols over the pairs of a verification protocol, one a kind of access.

    ``rates``: the FMRs at whose clean thresholds success is counted, the headline's first.
    """
    return tuple(_over(pairs, access, rates) for access in ACCESS)


def _over(pairs: Protocol, access: str, rates: tuple[str, ...]) -> Protocol:
    name = pairs.name.replace("verification/", "inversion/", 1)
    return Protocol(
        name=name if access == SIMILARITY else f"{name}-{access}",
        version=1,
        task=inversion.TASK,
        data=pairs.data,
        inputs=pairs.inputs,
        read=partial(_read, pairs),
        metrics=metrics(rates),
        trials_sha256=pairs.trials_sha256,
        about=f"{TOLD[access]}; its targets are the first images of the mated pairs of {pairs.name}",
        cite=pairs.cite,
        settings={"access": access, "replicates": inversion.REPLICATES, "group": GROUP},
        ways=inversion.WAYS,
        shown=SHOWN,
    )


def _read(pairs: Protocol, root: Path) -> Content:
    return content(pairs.read(root), pairs.data.name)


SETS = ("verification/lfw/view2-arcface112", "verification/agedb-30/bin", "verification/cfp-fp/bin")
PROTOCOLS = tuple(
    protocol for pairs in (*lfw.PROTOCOLS, *insightface_bin.PROTOCOLS) if pairs.name in SETS for protocol in over(pairs)
)
