"""Two tables of intervals scored against each other, whoever made them: no data set, no method, no frames."""

from __future__ import annotations

import functools
from pathlib import Path

from bench.errors import DataDamaged, DataMissing, WrongUse
from bench.images import Unreadable
from bench.intervals import Interval, interval_rows
from bench.metrics import metric
from bench.protocol import Content, Data, Protocol
from bench.protocols.annotations import THREE
from bench.sheets import read
from bench.tasks import spotting
from bench.tasks.spotting import Recording

TABLE = "table"  # the inputs of what no method is asked about
DATA = Data(
    name="a table of intervals",
    folder="",
    licence="yours",
    source="you: facebench score PROTOCOL --truth TRUTH.csv --answers ANSWERS.csv",
)


def read_table(path: Path, classes: tuple[str, ...], salt: str) -> Content:
    """The truth that a table tells, in its order; without ``classes`` all its emotions are analysed.

    Raises DataMissing where it is not a file, and DataDamaged, naming the row, for what is no interval.
    """
    if not path.is_file():
        do = "Give --truth TRUTH.csv and --answers ANSWERS.csv to 'facebench score'."
        raise DataMissing(f"{salt} was asked for.", f"{path} is no table of intervals.", do)
    head, *rows = read(path) or [()]
    columns = {str(name): [row[i] if i < len(row) else "" for row in rows] for i, name in enumerate(head)}
    found: dict[str, list[Interval]] = {}
    try:
        for name, interval in interval_rows(columns):
            found.setdefault(name, []).append(interval)
    except WrongUse as error:
        raise DataDamaged(f"{path} was read as the truth.", error.found, error.do) from None
    if not found:
        raise DataDamaged(f"{path} was read as the truth.", "It has no intervals.")
    every = [one for intervals in found.values() for one in intervals]
    types = sorted({one.type for one in every})
    if "" in types and types != [""]:
        raise DataDamaged(f"{path} was read as the truth.", "Some rows tell a type and some do not.")
    return spotting.content(
        [Recording(name, 0.0, tuple(intervals)) for name, intervals in found.items()],
        classes or sorted({one.emotion for one in every}),
        _no_frames,
        types=[type for type in types if type],
        files={path.name: path},
        salt=salt,
        open=True,
    )


def _no_frames(name: str, key: str) -> None:
    raise Unreadable("a table has no frames")


def _protocol(name: str, classes: tuple[str, ...], said: str) -> Protocol:
    return Protocol(
        name=name,
        version=1,
        task=spotting.TASK,
        data=DATA,
        inputs=TABLE,
        read=functools.partial(read_table, classes=classes, salt=name),
        metrics=tuple(map(metric, spotting.METRICS_BY_TYPE)),
        trials_sha256="",
        about=f"two tables of subject, video, onset, offset and emotion, counted in their order; {said} are analysed",
        cite="STRS-Metric (github.com/genbing99/STRS-Metric)",
        settings={"classes": list(classes), "replicates": spotting.REPLICATES},
    )


PROTOCOLS = (
    _protocol("spotting/table", (), "all emotions of the truth"),
    _protocol("spotting/table-3class", THREE, "negative, positive and surprise"),
)
