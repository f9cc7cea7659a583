"""What official lists of pairs have in common: lines by number, ten folds of known size, images that must be there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from bench import images
from bench.errors import DataDamaged, DataMissing
from bench.metrics import metric
from bench.protocol import Content, Data, Protocol
from bench.records import Face
from bench.tasks import verification

FOLDS = 10
MOST_BYTES = 16 << 20
# Fold from 0, two images by name, and whether they show one person.
Row = tuple[int, str, str, bool]
UNPINNED = "the digest of its official trials is not pinned here, so no result is marked official"


def missing(path: Path, data: Data) -> DataMissing:
    """What is raised where there is no list."""
    asked = f"The pairs of {data.name} were asked for."
    return DataMissing(asked, f"{path} does not exist.", f"Get it from {data.source}.")


def damaged(path: Path, found: str, data: Data, do: str = "") -> DataDamaged:
    """The refusal of a list, for reasons ``found``."""
    return DataDamaged(f"{path} was read.", found, do or f"Get it from {data.source}.")


def lines(path: Path, data: Data) -> list[tuple[int, str]]:
    """The lines of a list that are not empty, without the space around them, each with its number from 1.

    Raises DataMissing where there is no such file, and DataDamaged where it is no text or over 16 MiB.
    """
    try:
        with open(path, "rb") as file:
            found = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise missing(path, data) from None
    except OSError as error:
        raise damaged(path, f"It cannot be: {error.strerror}.", data) from None
    if len(found) > MOST_BYTES:
        raise damaged(path, f"It is over {MOST_BYTES >> 20} MiB.", data)
    try:
        text = found.decode("utf-8")
    except UnicodeDecodeError:
        raise damaged(path, "It is no text.", data) from None
    stripped = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in stripped if line]


def check_sizes(path: Path, rows: Iterable[Row], each: int, data: Data) -> None:
    """Raise DataDamaged unless there are ten folds of ``each`` mated and ``each`` non-mated pairs."""
    counts = Counter((fold, mated) for fold, *_, mated in rows)
    expected = {(fold, mated): each for fold in range(FOLDS) for mated in (True, False)}
    if counts != expected:
        fold = min(fold for (fold, _), _ in counts.items() ^ expected.items())
        found = (
            f"It has {counts.total():,} pairs, not {FOLDS} folds of {each} mated and {each} non-mated ones: fold "
            f"{fold + 1} has {counts[fold, True]} and {counts[fold, False]}."
        )
        raise damaged(path, found, data)


def content(
    rows: Sequence[Row], person: Callable[[str], str], places: Sequence[Path], data: Data, salt: str
) -> Content:
    """The content of a protocol of pairs over images of any size, in the first of ``places`` that holds one of them.

    ``person(name)``: who is on an image. Raises DataMissing naming how many images are absent, and the first of them.
    """
    names = sorted({name for _, *pair, _ in rows for name in map(str, pair)})
    place = next((p for p in places if any((p / name).is_file() for name in names)), places[0])
    files = {name: place / name for name in names}
    absent = [name for name, file in files.items() if not file.is_file()]
    if absent:
        found = f"{len(absent):,} are missing, such as {', '.join(absent[:3])}."
        raise DataMissing(
            f"{len(names):,} images of {data.name} were looked for in {' or '.join(map(str, places))}.",
            found if len(absent) < len(names) else f"None of them is there; the first is {absent[0]}.",
            f"Get them from {data.source}.",
        )
    return verification.content(rows, person, partial(_face, files), files, salt)


def _face(files: dict[str, Path], name: str, key: str) -> Face:
    return Face(key, images.read(files[name]))


def protocol(name: str, data: Data, read: Callable[[Path], Content], about: str, cite: str) -> Protocol:
    """The verification protocol of official pairs over the images as their owner hands them out."""
    return Protocol(
        name=name,
        version=1,
        task=verification.TASK,
        data=data,
        inputs="raw",
        read=read,
        metrics=tuple(map(metric, verification.METRICS)),
        trials_sha256="",
        about=f"{about}; {UNPINNED}",
        cite=cite,
        trains=True,
        settings={"replicates": verification.REPLICATES},
    )
