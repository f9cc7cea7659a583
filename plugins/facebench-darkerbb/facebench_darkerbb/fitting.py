"""A prior fitted on a folder of aligned faces, and written as ``Prior.read`` and ``read_card`` take it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy import float16, uint8
from numpy.typing import NDArray
from safetensors.numpy import save

from bench import toml
from bench.answers import write
from bench.images import Unreadable, read
from facebench_darkerbb.cards import CARD, FILE, check
from facebench_darkerbb.pca import Components
from facebench_darkerbb.prior import SIDE

KINDS = {".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def read_faces(folder: Path) -> tuple[NDArray[uint8], list[str]]:
    """Every image below a folder, in the order of their paths: uint8 [n, 112, 112, 3]; and why others were left out.

    Raises ValueError where there are fewer than two.
    """
    faces, left = [], []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in KINDS or not path.is_file():
            continue
        try:
            faces.append(read(path, (SIDE, SIDE)))
        except Unreadable as error:
            left.append(f"{path.relative_to(folder)}: {error.reason}")
    if len(faces) < 2:
        reason = f"; {left[0]}" if left else ""
        raise ValueError(f"{folder} holds {len(faces)} images of {SIDE}x{SIDE} that can be read, not 2 or more{reason}")
    return np.stack(faces), left


def save_prior(folder: Path, found: Components, card: dict[str, Any], faces: NDArray[uint8] | None = None) -> str:
    """Write ``model.safetensors`` and ``prior.toml``; returns the SHA-256 of the former.

    ``card``: name, licence, trained_on, withdrawn; ``faces``: those whose coordinates are kept, which shows them to
    whoever has the file. Raises ValueError for a card that could not be read back.
    """

    def channels_first(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.ascontiguousarray(rows.reshape(-1, SIDE, SIDE, 3).transpose(0, 3, 1, 2))

    tensors = {
        "mean": channels_first(found.mean)[0],
        "components": channels_first(found.axes).astype(float16),
        "std": found.std,
    }
    if faces is not None:
        tensors["coefficients"] = found.coordinates(faces).astype(float16)
    data = save(tensors)
    digest = hashlib.sha256(data).hexdigest()
    whole = {**card, "sha256": digest}
    check(folder / CARD, whole)
    write(folder / FILE, data)
    write(folder / CARD, toml.dump(whole, "A prior of facebench-darkerbb."))
    return digest
