"""Short clips that owners cut around one micro-expression each: tables and numbered frames to labelled samples.

The folders are looked for where owners and the field's code put them; no copy of the frames was at hand when this was
written, so that these layouts were not tried on the owners' own files.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import clips
from bench.clips import Cut
from bench.errors import DataMissing
from bench.metrics import metric
from bench.metrics.metric import Metric
from bench.protocol import Content, Data, Protocol
from bench.protocols.annotations import Annotation, Annotations
from bench.records import Clip
from bench.selection import SELECT
from bench.tasks import micro_expression
from bench.tasks.micro_expression import Row

CLIP = "clip"  # the inputs of a method that takes Clips as they were filmed
LAYOUT = "the folders of frames are looked for as its owner names them, which was not tried on the owner's own files"


@dataclass(frozen=True, slots=True)
class Collection:
    """A data set of short clips.

    ``part``: what it is called in a composite; ``read(root)``: its annotations, subjects and videos as they are to be
    called; ``places(annotation)``: where its frames may lie under the data set's folder, the first that is there.
    """

    data: Data
    part: str
    fps: float
    read: Callable[[Path], Annotations]
    places: Callable[[Annotation], Sequence[str]]

    def folder(self, root: Path, one: Annotation) -> Path | None:
        """Where the frames of a clip lie."""
        candidates = (Path(root) / self.data.folder / place for place in self.places(one))
        return next((place for place in candidates if place.is_dir()), None)


Named = tuple[str, str, Annotation]  # a clip's class, the name of its subject, and its row


def content(
    root: Path, chosen: Sequence[tuple[Collection, Sequence[Named]]], classes: Sequence[str], salt: str
) -> Content:
    """The content of a protocol over clips of one or several collections; raises DataMissing for absent folders."""
    rows: list[Row] = []
    sources: dict[str, tuple[Path, Cut]] = {}
    files: dict[str, Path] = {}
    for collection, named in chosen:
        folders = [collection.folder(root, one) for _, _, one in named]
        _check_there(root, collection, [one for (_, _, one), place in zip(named, folders, strict=True) if not place])
        for (emotion, subject, one), place in zip(named, folders, strict=True):
            assert place is not None
            name = f"{collection.part}/{subject}/{one.video}"
            cut = Cut(collection.fps, one.onset, one.offset)
            rows.append(Row(name, f"{collection.part}/{subject}", emotion, collection.part))
            sources[name] = (place, cut)
            files |= dict(_frames(name, place, cut))
    return micro_expression.content(rows, classes, functools.partial(_clip, sources), files, salt)


def _clip(sources: dict[str, tuple[Path, Cut]], name: str, key: str) -> Clip:
    source, cut = sources[name]
    return clips.read(source, key, cut)


def _frames(name: str, place: Path, cut: Cut) -> Iterator[tuple[str, Path]]:
    there = clips.numbered(place)
    for number in cut.wanted(max(there, default=-1)):
        if number in there:
            yield f"{name}/{number}", there[number]


def _check_there(root: Path, collection: Collection, absent: Sequence[Annotation]) -> None:
    if absent:
        base = Path(root) / collection.data.folder
        shown = " or ".join(collection.places(absent[0]))
        raise DataMissing(
            f"The clips of {collection.data.name} were looked for in {base}.",
            f"{len(absent):,} of their folders are missing, such as {shown}.",
            f"Get them from {collection.data.source}.",
        )


def protocol(
    name: str,
    data: Data,
    read: Callable[[Path], Content],
    classes: Sequence[str],
    about: str,
    *,
    trials: str = "",
    cite: str = "",
    inputs: str = CLIP,
    parts: Sequence[Metric] = (),
) -> Protocol:
    """A leave-one-subject-out protocol of classes; ``parts``: metrics of single data sets, after those of all."""
    return Protocol(
        name=name,
        version=1,
        task=micro_expression.TASK,
        data=data,
        inputs=inputs,
        read=read,
        metrics=(*map(metric, micro_expression.METRICS), *parts),
        trials_sha256=trials,
        about=about,
        cite=cite,
        trains=True,
        ways=(SELECT,),
        settings={"classes": list(classes), "replicates": micro_expression.REPLICATES},
    )
