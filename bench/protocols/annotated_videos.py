"""Long videos in which expressions are to be found: tables of intervals and numbered frames to recordings.

The folders are looked for where owners and the field's code put them; no copy of the frames was at hand when this was
written, so that these layouts were not tried on the owners' own files. A data set of long videos has up to a million
images, so its fingerprint is over the tables and over the first and last frame of each video.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import clips
from bench.clips import VIDEOS, Cut
from bench.errors import DataMissing
from bench.intervals import Interval
from bench.metrics import metric
from bench.protocol import Content, Data, Protocol
from bench.protocols.annotated_clips import CLIP
from bench.protocols.annotations import OTHERS, TO_THREE, Annotation
from bench.records import Clip
from bench.tasks import spotting
from bench.tasks.spotting import Recording

MICRO_SECONDS = 0.5
SHORTER = 360  # pixels: whole videos of their full size would not fit into memory


@dataclass(frozen=True, slots=True)
class Film:
    """One long video: its name ``subject/video``, where its frames lie, which of them are read, and its rows."""

    name: str
    source: Path
    cut: Cut
    rows: tuple[Annotation, ...]


def by_video(rows: Iterable[Annotation]) -> dict[tuple[str, str], list[Annotation]]:
    """The usable rows of each video, by subject and video."""
    found: dict[tuple[str, str], list[Annotation]] = {}
    for one in rows:
        sides = found.setdefault((one.subject, one.video), [])
        if one.usable:
            sides.append(one)
    return found


def present(base: Path, places: Sequence[str]) -> Path | None:
    """The first of some places under a folder where a folder or a video file is."""
    for place in places:
        for path in (base / place, *(base / f"{place}{suffix}" for suffix in VIDEOS)):
            if path.is_dir() or (path.is_file() and path.suffix.lower() in VIDEOS):
                return path
    return None


Wanted = Mapping[tuple[str, str], Sequence[Annotation]]


def located(
    base: Path,
    data: Data,
    wanted: Wanted,
    places: Callable[[str, str], list[str]],
    cut: Callable[[str, str], Cut],
) -> list[Film]:
    """Each video with where it lies, one of ``places(subject, video)`` under ``base``; raises DataMissing."""
    films, absent = [], []
    for (subject, video), rows in wanted.items():
        source = present(base, places(subject, video))
        if source is None:
            absent.append(" or ".join(places(subject, video)))
        else:
            films.append(Film(f"{subject}/{video}", source, cut(subject, video), tuple(rows)))
    if absent:
        found = f"{len(absent):,} of {len(wanted):,} are missing, such as {absent[0]}."
        asked = f"The videos of {data.name} were looked for in {base}."
        raise DataMissing(asked, found, f"Get them from {data.source}.")
    return films


def content(
    films: Sequence[Film],
    emotion: Callable[[Annotation], str],
    classes: Sequence[str],
    types: Sequence[str],
    tables: Sequence[Path],
    salt: str,
) -> Content:
    """The content of a protocol over films; ``tables``: those that tell its truth."""
    return spotting.content(
        [Recording(film.name, film.cut.fps, _intervals(film, emotion)) for film in films],
        classes,
        functools.partial(_clip, {film.name: film for film in films}),
        types=types,
        micro_seconds=MICRO_SECONDS,
        files={**_ends(films), **{path.name: path for path in tables}},
        salt=salt,
    )


def _intervals(film: Film, emotion: Callable[[Annotation], str]) -> tuple[Interval, ...]:
    return tuple(one.interval(film.cut.first, film.cut.step, emotion(one)) for one in film.rows)


def _ends(films: Sequence[Film]) -> dict[str, Path]:
    files = {}
    for film in films:
        if film.source.is_file():
            files[film.name] = film.source
        elif there := clips.numbered(film.source):
            files |= {f"{film.name}/{number}": there[number] for number in {min(there), max(there)}}
    return files


def _clip(films: Mapping[str, Film], name: str, key: str) -> Clip:
    return clips.read(films[name].source, key, films[name].cut)


def in_three(one: Annotation) -> str:
    """Its emotion among negative, positive, surprise and others; "" where nobody told it."""
    return TO_THREE.get(one.emotion, OTHERS) if one.emotion else ""


def protocol(
    name: str,
    data: Data,
    read: Callable[[Path], Content],
    settings: Mapping[str, object],
    about: str,
    *,
    trials: str = "",
    cite: str = "",
    by_type: bool = False,
    trains: bool = True,
) -> Protocol:
    """A spotting protocol; ``by_type``: it has macro-expressions as well, so metrics are shown by type too."""
    return Protocol(
        name=name,
        version=1,
        task=spotting.TASK,
        data=data,
        inputs=CLIP,
        read=read,
        metrics=tuple(map(metric, spotting.METRICS_BY_TYPE if by_type else spotting.METRICS)),
        trials_sha256=trials,
        about=about,
        cite=cite,
        trains=trains,
        settings={**settings, "micro_seconds": MICRO_SECONDS, "replicates": spotting.REPLICATES},
    )
