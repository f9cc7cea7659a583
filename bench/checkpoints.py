"""Snapshots of a fitted method on disk: arrays by name in one npz, the same bytes for the same contents."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from bench.answers import write
from bench.errors import ContractBroken, RunDamaged
from bench.records import Snapshot

PARTS = ("weights", "state")


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

    arrays = {f"{part}/{name}": array for part in PARTS for name, array in getattr(snapshot, part).items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, step=np.int64(snapshot.step), **arrays)
    write(path, buffer.getvalue())


def read_snapshot(path: Path) -> Snapshot:
    """Read what ``write_snapshot`` wrote; raises RunDamaged where it is not whole."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        step = int(arrays.pop("step"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        do = "Nothing else is lost: remove this one file, and the same command makes it again."
        raise RunDamaged(f"{path} was read.", f"It is damaged or cut off: {error}.", do) from None
    named: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    for name, array in arrays.items():
        part, _, rest = name.partition("/")
        named[part][rest] = array
    return Snapshot(step, named["weights"], named["state"])
