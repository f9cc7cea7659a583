"""Answers that several cells of a folder of runs would ask for alike: asked once, and taken over by the next cell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.answers import write
from bench.asking import Asking
from bench.batches import Batches
from bench.method import Configured
from bench.protocol import Sample
from bench.results import version

ANSWERS = "answers"  # beside the protocols of a folder of runs


def ask_once(
    asking: Asking, role: str, batches: Batches, fold: str, samples: Sequence[Sample], configured: Configured
) -> None:
    """Ask as Asking.ask_all does, unless another cell of the folder of runs was answered to the same question.

    The same: method and aligner by their code and weights, data, samples, seed, settings and facebench. A method that
    was made in a script is always asked: its code is not known.
    """
    names = [f"part-{number:05d}.parquet" for number in range(-(-len(samples) // asking.part_size))]
    kept = asking.runs / ANSWERS / _digest(asking, role, batches, samples, configured)
    shared = configured.origin.kind != "script"
    if shared:
        for number, name in enumerate(names):
            if (kept / name).exists() and not asking.cell.part(fold, number).exists():
                write(asking.cell.part(fold, number), (kept / name).read_bytes())
    asking.ask_all(role, batches, fold, samples, configured)
    if shared:
        for number, name in enumerate(names):
            if not (kept / name).exists():
                write(kept / name, asking.cell.part(fold, number).read_bytes())


def _digest(asking: Asking, role: str, batches: Batches, samples: Sequence[Sample], configured: Configured) -> str:
    header = asking.cell.header() or {}
    settings = [
        asking.settings.batch_size,
        asking.part_size,
        header["settings"]["threads"],
        header["settings"]["device"],
    ]
    asked = [[sample.key, sample.name, sample.absent] for sample in samples]
    data = [asking.protocol.inputs, header["data"], asking.content.trials_sha256, asked]
    method = [_identity(header["roles"][role], str(configured)), batches.call, header["seed"]]
    whole = [version(), method, settings, data]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _identity(methods: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """What the header says of a method of a role, or of one's aligner."""
    known = [one for method in methods for one in (method, method.get("aligner", {})) if one.get("method") == name]
    return known[0]
