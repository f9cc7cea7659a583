"""Snapshots of a fitted method on disk: arrays by name as safetensors, the same bytes for the same contents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.answers import write
from bench.errors import ContractBroken, RunDamaged
from bench.records import Snapshot

PARTS = ("weights", "state")
STEP = "step"


def check_snapshot(given: Any, method: str) -> Snapshot:
    """The snapshot a method yielded; raises ContractBroken for anything else."""
    import numpy as np

    asked = f"{method} was fitted."
    if not isinstance(given, Snapshot) or type(given.step) is not int:
        raise ContractBroken(
            asked, f"It yielded a {type(given).__name__}.", "yield bench.Snapshot(step=1, weights={name: array})."
        )
    for part in PARTS:
        named = getattr(given, part)
        if not isinstance(named, dict) or not all(isinstance(array, np.ndarray) for array in named.values()):
            raise ContractBroken(asked, f"The {part} of its snapshot are no dict of numpy arrays.")
    return given


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot whole or not at all; raises NotWritten."""
    import numpy as np
    from safetensors.numpy import save

    named = {f"{part}/{name}": array for part in PARTS for name, array in getattr(snapshot, part).items()}
    arrays = {name: np.asarray(array, order="C") for name, array in named.items()}
    write(path, save(arrays, metadata={STEP: str(snapshot.step)}))


def read_snapshot(path: Path) -> Snapshot:
    """Read what ``write_snapshot`` wrote; raises RunDamaged where it is not whole."""
    from safetensors import SafetensorError, safe_open

    named: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    try:
        with safe_open(path, framework="np") as file:
            step = int((file.metadata() or {})[STEP])
            for name in file.keys():  # noqa: SIM118  a file of tensors is no mapping
                part, _, rest = name.partition("/")
                named[part][rest] = file.get_tensor(name)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        do = "Nothing else is lost: remove this one file, and the same command makes it again."
        raise RunDamaged(f"{path} was read.", f"It is damaged or cut off: {error}.", do) from None
    return Snapshot(step, named["weights"], named["state"])


def learned_from(header: Mapping[str, Any], role: str, fold: str, names: Sequence[str], labels: Any) -> str:
    """SHA-256 over all that the weights of a fit follow from, so that the same fit is not made twice.

    Of a cell's ``header`` the method with its code and options, the data's fingerprint, seed, batch size, threads and
    device; the names of what was learned from, in order, and their labels; and the fold, whose name settles what a
    snapshot is chosen on.
    """
    told = labels.tolist() if hasattr(labels, "tolist") else labels
    settings = [header["settings"][name] for name in ("batch_size", "threads", "device")]
    parts = [header["roles"][role], header["data"], header["seed"], settings, fold, list(names), told]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
