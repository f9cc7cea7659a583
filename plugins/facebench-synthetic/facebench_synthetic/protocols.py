"""Protocols over synthetic people: who is who is known exactly, and nobody is real."""

from __future__ import annotations

import functools
import hashlib
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bench
from bench.protocols import inversion
from bench.protocols.encrypted_pairs import under_encryption
from bench.tasks import identification, verification
from facebench_synthetic.clip_protocols import LONG_CLIPS, SHORT_CLIPS
from facebench_synthetic.face_protocols import EXPRESSIONS

if TYPE_CHECKING:
    from facebench_synthetic.world import Face

SEED = 1
FOLDS, PEOPLE, SHOTS, EACH = 10, 8, 6, 30
ENROLLED, SEARCHES = 60, 3
SPREAD, MOST_INTENSE = 0.6, 0.7  # such that neither a baseline nor a network is at an end of the scale
MOST_KEPT = 2048  # pictures of 37 kB, so that the methods of one run need not each wait for the same drawing
# SHA-256 over the bytes of three pictures each of the first eight people: a change of the look is another question.
LOOK = "d25515a1b5e953de6d793905edd4e76e3cc91eae0b78cad7fc7b7650b0219dea"

DATA = bench.Data(
    name="synthetic people of facebench-synthetic",
    folder="",
    licence="Apache-2.0",
    source="drawn by facebench-synthetic, of nobody",
    trials_publishable=True,
)


@bench.hookimpl
def facebench_protocols() -> list[bench.Protocol]:
    """The protocols of this plugin."""
    return [FACES, GALLERY, EXPRESSIONS, LONG_CLIPS, SHORT_CLIPS, *ENCRYPTED, *INVERSIONS]


def face(name: str) -> Face:
    """The synthetic person and shot of a name such as ``12-3``: another expression, pose, light and background each."""
    from facebench_synthetic.expression import EMOTIONS, Expression
    from facebench_synthetic.identity import Identity
    from facebench_synthetic.scene import Scene
    from facebench_synthetic.world import Face

    person, shot = map(int, name.split("-"))
    number = person * 100 + shot
    mark = hashlib.sha256(f"expression/{SEED}/{number}".encode()).digest()
    emotion = [*EMOTIONS][mark[0] % len(EMOTIONS)]
    expression = Expression.emotion(emotion, mark[1] / 255 * MOST_INTENSE)
    return Face(Identity.random(SEED, person), expression, Scene.random(SEED, number, SPREAD))


@functools.lru_cache(MOST_KEPT)
def picture(name: str) -> Any:
    """uint8 [112, 112, 3], RGB, read-only."""
    from facebench_synthetic.view import render

    pixels = render(face(name))
    pixels.flags.writeable = False
    return pixels


def read(name: str, key: str) -> bench.Face:
    """The record of a name."""
    return bench.Face(key, picture(name))


def person(name: str) -> str:
    """Who it is."""
    return name.partition("-")[0]


def pairs() -> list[tuple[int, str, str, bool]]:
    """600 pairs in ten folds, no person in two; which pairs is decided by hash."""
    rows = []
    for fold in range(FOLDS):
        people = range(fold * PEOPLE, (fold + 1) * PEOPLE)
        names = [f"{who}-{shot}" for who in people for shot in range(SHOTS)]
        every = sorted(
            itertools.combinations(names, 2), key=lambda pair: hashlib.sha256("/".join(pair).encode()).digest()
        )
        for mated in (True, False):
            kind = [pair for pair in every if (person(pair[0]) == person(pair[1])) == mated]
            rows += [(fold, *pair, mated) for pair in kind[:EACH]]
    return rows


def read_pairs(root: Path) -> bench.Content:
    """Ten folds of 30 mated and 30 non-mated pairs; needs no data root."""
    return verification.content(pairs(), person, read, salt=FACES.name)


def read_gallery(root: Path) -> bench.Content:
    """60 enrolled people searched for three times each, 60 others too, and 60 to learn from."""
    known, others, learned = (range(k * ENROLLED, (k + 1) * ENROLLED) for k in range(3))
    probes = [f"{who}-{shot}" for who in [*known, *others] for shot in range(1, 1 + SEARCHES)]
    training = [f"{who}-{shot}" for who in learned for shot in range(SHOTS)]
    return identification.content([f"{who}-0" for who in known], probes, person, read, training, salt=GALLERY.name)


def _protocol(
    name: str, task: bench.Task, read: Any, metrics: tuple[str, ...], trials: str, about: str
) -> bench.Protocol:
    return bench.Protocol(
        name=name,
        version=1,
        task=task,
        data=DATA,
        inputs="arcface-112",
        read=read,
        metrics=tuple(map(bench.metric, metrics)),
        trials_sha256=trials,
        about=about,
        cite="synthetic: no figure on it says anything of real faces",
        trains=True,
        settings={"look": LOOK},
    )


FACES = _protocol(
    "verification/synthetic/faces",
    verification.TASK,
    read_pairs,
    ("accuracy", "accuracy_insightface", "tar@far=1e-1", "tar@far=1e-2", "eer", "fte"),
    "2492661513e390b9431839f643df53496b0ce06a25e05ab74219298ede5c5fd6",
    "600 pairs of synthetic people in ten folds, every picture with another expression, pose and light",
)
GALLERY = _protocol(
    "identification/synthetic/faces",
    identification.TASK,
    read_gallery,
    ("rank-1", "rank-5", "fnir@fpir=1e-1", "fte"),
    "f420068db6cce0a95157c6e925edaee9af1ea182344b9550df75ba4d6171e875",
    "60 synthetic people enrolled with one picture each, 180 searches for them and 180 for others",
)
ENCRYPTED = under_encryption(FACES, "encryption/synthetic/faces")
INVERSIONS = inversion.over(FACES, ("1e-2", "1e-1"))
