"""What protocols over pictures with an expression each have in common: where pictures lie, and how the question is
made."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import images
from bench.errors import DataDamaged, DataMissing
from bench.metrics.expression import FERBENCH_METRICS
from bench.protocol import Content, Data, Protocol, Sample, opaque_order
from bench.questions import ways
from bench.records import Face
from bench.tasks import expression
from bench.tasks.expression import ADJECTIVES, METRICS, WITHOUT_REPEATS, Row

FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*", re.ASCII)
LABELS = tuple(ADJECTIVES)
Size = tuple[int, int] | None
Training = Callable[[], tuple[list[tuple[str, Path]], list[str]]]  # names and files, and their labels


def protocol(
    name: str,
    data: Data,
    read: Callable[..., Content],
    labels: Sequence[str],
    about: str,
    *,
    cite: str,
    trials: str = "",
    words: Mapping[str, str] = ADJECTIVES,
    listed: bool = False,
    trains: bool = True,
    inputs: str = "raw",
    copies: bool = False,
    **settings: Any,
) -> Protocol:
    """A protocol over labelled pictures; ``read(root, labels, salt)`` reads its content.

    ``trials`` is empty where no copy of the data is at hand here, so that no result is marked official; ``listed``: it
    is a list of questions with a prompt of its own, which its scorer's metrics belong to; ``copies``: pictures may
    repeat those of other splits, so that figures also stand without them.
    """
    unofficial = "" if trials else "; no copy of it is at hand here, so no result is marked official"
    return Protocol(
        name=name,
        version=1,
        task=expression.TASK,
        data=data,
        inputs=inputs,
        read=functools.partial(read, labels=tuple(labels), salt=name),
        metrics=(*METRICS, *(WITHOUT_REPEATS if copies else ()), *(FERBENCH_METRICS if listed else ())),
        trials_sha256=trials,
        about=about + unofficial,
        cite=cite,
        trains=trains,
        settings=expression.settings(labels, words, **settings),
        ways=ways(listed),
    )


def content(
    told: Sequence[Row],
    files: Mapping[str, Path],
    data: Data,
    labels: Sequence[str],
    salt: str,
    *,
    beside: Mapping[str, Path] | None = None,
    size: Size = None,
    training: Training | None = None,
    **known: Any,
) -> Content:
    """The content over picture files: ``files`` by the rows' names, ``beside`` the tables that were read.

    Pictures that are of no label of ``labels`` are left out. ``size``: (height, width) of every picture; ``training``:
    tells of the training split. Raises DataMissing naming how many pictures are absent, and the first of them.
    """
    rows = [row for row in told if row.label in labels]
    wanted = {row.name: files[row.name] for row in rows}
    absent = [path for path in wanted.values() if not path.is_file()]
    if absent or not rows:
        asked = f"{len(wanted):,} pictures of {data.name} were looked for."
        found = f"{len(absent):,} are missing, such as {absent[0]}." if absent else "None has a label."
        raise DataMissing(asked, found, f"{data.folder}/ is as its owner hands it out: {data.source}.")
    learned = functools.partial(_training, training, labels, salt, size) if training is not None else None
    every = {**wanted, **(beside or {})}
    reader = functools.partial(read_face, wanted, size)
    return expression.content(rows, labels, reader, every, salt, training=learned, **known)


def read_face(files: Mapping[str, Path], size: Size, name: str, key: str) -> Face:
    """The picture of a name."""
    return Face(key, images.read(files[name], size))


def _training(told: Training, labels: Sequence[str], salt: str, size: Size) -> tuple[list[Sample], Any]:
    """The training split as a method is fitted on it: samples in an opaque order, and int64 positions of labels."""
    import numpy as np

    named, given = told()
    label = {name: one for (name, _), one in zip(named, given, strict=True) if one in labels}
    files = dict(named)
    names = opaque_order(sorted(label), f"{salt} training")
    reader = functools.partial(read_face, files, size)
    samples = [Sample(f"t{i:06d}", name, functools.partial(reader, name)) for i, name in enumerate(names)]
    return samples, np.array([list(labels).index(label[name]) for name in names], np.int64)


def plain(path: Path, number: int, name: Any) -> str:
    """A file's name in a table, which leads nowhere else; raises DataDamaged naming the row."""
    if not isinstance(name, str) or not FILE.fullmatch(name) or ".." in name:
        raise damaged(path, number, f"{str(name)[:80]!r} is no picture's name")
    return name


def damaged(path: Path, number: int, found: str) -> DataDamaged:
    """A row of a table that is not as its owner writes it."""
    return DataDamaged(f"{path} was read.", f"Row {number}: {found}.", "Get it again from its owner.")


def missing(data: Data, places: Iterable[Path]) -> DataMissing:
    """None of the files or folders that a data set may begin with is there."""
    named = " or ".join(str(place) for place in places)
    return DataMissing(f"{data.name} was looked for.", f"There is no {named}.", f"Get it from {data.source}.")


def first_there(data: Data, places: Sequence[Path]) -> Path:
    """The first of some files or folders that is there; raises DataMissing."""
    for place in places:
        if place.exists():
            return place
    raise missing(data, places)
