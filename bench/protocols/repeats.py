"""Pictures that are there twice, pixel by pixel or mirrored: within a test split, and in what may be learned from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench import images
from bench.errors import DataDamaged
from bench.metrics.expression_trials import TRAIN, VALID
from bench.sheets import read
from bench.tasks.expression import Repeats

MOST = 60_000  # pictures of other splits that are looked through; of more a search would take longer than many runs
TABLE_HEAD = ("test_image", "relation", "split", "other_image")


def mark(pixels: Any) -> bytes:
    """A digest of a picture, the same for its mirror image: uint8 [height, width, 3] or [height, width]."""
    import numpy as np

    sides = (np.ascontiguousarray(pixels), np.ascontiguousarray(pixels[:, ::-1]))
    return min(hashlib.sha256(f"{side.shape}".encode() + side.tobytes()).digest() for side in sides)


def find_repeats(test: Iterable[tuple[str, Any]], train: Iterable[Any] | None, valid: Iterable[Any] = ()) -> Repeats:
    """Copies among pictures of a test split, by name, and whether they are in the two other splits.

    ``test``: names and pixels; ``train``, ``valid``: pixels, ``train`` being None where it is not at hand.
    """
    marks = {name: mark(pixels) for name, pixels in test}
    first: dict[bytes, str] = {}
    group = {name: first.setdefault(digest, name) for name, digest in marks.items()}
    if train is None:
        return Repeats(group)
    of_valid = {mark(pixels) for pixels in valid}
    seen = {name: VALID for name, digest in marks.items() if digest in of_valid}
    of_train = {mark(pixels) for pixels in train}
    return Repeats(group, seen | {name: TRAIN for name, digest in marks.items() if digest in of_train}, True)


def pixels_of(files: Iterable[Path]) -> Iterable[Any]:
    """The pixels of files; one that cannot be read is no copy of any."""
    for file in files:
        try:
            yield images.read(file)
        except images.Unreadable:
            continue


def named_pixels(files: Mapping[str, Path]) -> Iterable[tuple[str, Any]]:
    """Names and pixels of files; one that cannot be read is left out."""
    for name, file in files.items():
        for pixels in pixels_of([file]):
            yield name, pixels


def read_table(path: Path) -> dict[str, str]:
    """Which test images a table names as copies: name to "train" or "valid", the first where it is in both.

    Its columns are test_image, relation, split, other_image; a split is FER2013Train or FER2013Valid. Raises
    DataDamaged, naming the row.
    """
    head, *rows = read(path)
    if tuple(head) != TABLE_HEAD:
        raise DataDamaged(f"{path} was read.", f"Its columns are not {', '.join(TABLE_HEAD)}.", "Get it again.")
    seen: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        match row:
            case (str(name), str(), ("FER2013Train" | "FER2013Valid") as split, str()):
                found = TRAIN if split == "FER2013Train" else VALID
                seen[name] = TRAIN if TRAIN in (found, seen.get(name)) else found
            case _:
                found = f"Row {number} is no copy: {str(row)[:80]}."
                raise DataDamaged(f"{path} was read.", found, "Get it again.")
    return seen
