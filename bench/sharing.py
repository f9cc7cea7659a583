"""Answers that several cells of a folder of runs would ask for alike: asked once, and taken over by the next cell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.answers import read_table, write
from bench.asking import Asking
from bench.batches import Batches
from bench.errors import RunDamaged
from bench.method import Configured
from bench.protocol import Sample
from bench.results import version

ANSWERS = "answers"  # beside the protocols of a folder of runs
RAISED = "raised "  # how a reason begins that bench.batches gives for an exception


def ask_once(
    asking: Asking, role: str, batches: Batches, fold: str, samples: Sequence[Sample], configured: Configured
) -> None:
    """Ask as Asking.ask_all does, unless another cell of the folder of runs was answered to the same question.

    The same: method and aligner by their code and weights, data, samples, seed, settings and facebench. A method that
    was made in a script is always asked: its code is not known. A part in which the method raised is not shared, since
    what made it raise may pass; one that is damaged or of other samples is removed, and its samples are asked again.
    """
    keys = [sample.key for sample in samples]
    pieces = [keys[start : start + asking.part_size] for start in range(0, len(keys), asking.part_size)]
    kept = asking.runs / ANSWERS / _digest(asking, role, batches, samples, configured)
    shared = configured.origin.kind != "script"
    if shared:
        for number, piece in enumerate(pieces):
            known, part = _part(kept, number), asking.cell.part(fold, number)
            if known.exists() and not part.exists():
                if _fit_to_share(known, piece):
                    write(part, known.read_bytes())
                else:
                    known.unlink(missing_ok=True)
    asking.ask_all(role, batches, fold, samples, configured)
    if shared:
        for number, piece in enumerate(pieces):
            known, part = _part(kept, number), asking.cell.part(fold, number)
            if not known.exists() and _fit_to_share(part, piece):
                write(known, part.read_bytes())


def _part(kept: Path, number: int) -> Path:
    return kept / f"part-{number:05d}.parquet"


def _fit_to_share(path: Path, keys: Sequence[str]) -> bool:
    """Whether a part is whole, of these samples, and the method raised at none of them."""
    try:
        table = read_table(path)
    except RunDamaged:
        return False
    reasons = table.get("failure")
    return table.get("key") == keys and isinstance(reasons, list) and not any(r.startswith(RAISED) for r in reasons)


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
