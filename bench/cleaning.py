"""'clean': reconstructed faces removed from runs; what was measured of them stays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.answers import Cell
from bench.attacking import SHOWN
from bench.errors import NotPublished, NotWritten, WrongUse


@dataclass(frozen=True, slots=True)
class Left:
    """A folder of reconstructions in a run, and how many bytes it holds."""

    folder: Path
    size: int


def find(place: str | Path) -> list[Left]:
    """Every folder of reconstructions in a run or a folder of runs; links are not followed.

    One is known by the run's header beside it, or by what lies in it. Raises WrongUse where there is no such folder.
    """
    root = Path(place).expanduser()
    if not root.is_dir():
        raise WrongUse(f"{place} was to be cleaned.", "It is no folder.", "Give a run, or the folder of runs.")
    return [Left(folder, sum(_sizes(folder))) for folder in sorted(_folders(root))]


def _folders(root: Path) -> Iterator[Path]:
    for at, folders, files in os.walk(root):
        here = Path(at)
        held = SHOWN in folders and ("header.json" in files or any((here / SHOWN).glob("group-*.parquet")))
        if held and not (here / SHOWN).is_symlink():
            yield here / SHOWN
            folders.remove(SHOWN)


def _sizes(folder: Path) -> Iterator[int]:
    return (path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def remove(left: list[Left]) -> None:
    """Remove them; a finished run's result and trials stay.

    Raises NotWritten where one cannot be removed, or a run is at work beside it.
    """
    for one in left:
        try:
            with Cell(one.folder.parent).locked():
                shutil.rmtree(one.folder)
        except OSError as error:
            asked = f"{one.folder} was to be removed."
            raise NotWritten(asked, f"It could not be: {error.strerror}.", "Remove it by hand.") from None


def refuse(place: str | Path, asked: str) -> None:
    """Raise NotPublished for what lies among reconstructions, or is a folder that holds some outside of a run."""
    path = Path(place).expanduser().resolve()
    walked = ((folders, files) for _, folders, files in os.walk(path))
    if SHOWN in path.parts or any(SHOWN in folders and "header.json" not in files for folders, files in walked):
        raise NotPublished(asked, f"{SHOWN} of faces are never sent.", "facebench clean removes them.")
