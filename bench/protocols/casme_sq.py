"""CAS(ME)^2: long videos of 22 subjects at 30 frames a second, with 300 macro- and 57 micro-expressions.

Qu, Wang, Yan, Li, Wu and Fu, CAS(ME)^2: A Database for Spontaneous Macro-Expression and Micro-Expression Spotting and
Recognition, IEEE TAFFC 9(4), 2018.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bench.clips import Cut
from bench.errors import DataDamaged
from bench.protocol import Content, Data
from bench.protocols.annotated_clips import LAYOUT
from bench.protocols.annotated_videos import SHORTER, Wanted, by_video, content, located, protocol
from bench.protocols.annotations import THREE, Annotations, find, name, parsed, word
from bench.sheets import read

DATA = Data(
    name="CAS(ME)^2",
    folder="casme-sq",
    licence="for research, by agreement with its owner",
    source="its owner, the Institute of Psychology of the Chinese Academy of Sciences, after a licence is signed",
)
TABLE = "CASME_sq_gt.xlsx"
FRAMES = "rawpic"
CUT = Cut(30.0, first=1, shorter=SHORTER)
LOSO = "spotting/casme-sq/loso"
VIDEO = re.compile(r"(\d+)_(\d{4})\D*", re.ASCII)


def annotated(root: Path) -> Annotations:
    """The 357 rows of the owner's table, which has no header; subjects and videos as there: ``1`` and ``anger1``."""
    path = find(root, DATA, [TABLE])
    # Subject, clip, onset, apex, offset, action units, one of four classes, type, the subject's own word.
    rows = ((n, (*row[:5], row[6], row[7])) for n, row in enumerate(read(path), 1) if len(row) > 7)
    made = parsed(path, rows)
    return replace(made, rows=tuple(replace(one, video=one.video.rpartition("_")[0]) for one in made.rows))


def naming(path: Path) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What the table's own sheets say of names: subjects to folders (``1``: ``s15``), videos to codes (``0401``)."""
    folders = {word(row[2]): name(path, n, row[1]) for n, row in enumerate(read(path, 1), 1) if len(row) > 2}
    codes = {word(row[1]): name(path, n, row[0]) for n, row in enumerate(read(path, 2), 1) if len(row) > 1}
    return folders, codes


def read_loso(root: Path) -> Content:
    """Every video that is there, also one in which nothing is annotated; raises DataMissing and DataDamaged."""
    found = annotated(root).warned()
    folders, codes = naming(found.path)
    wanted = by_video(found.rows)
    base = Path(root) / DATA.folder / FRAMES
    if unknown := [key for key in wanted if key[0] not in folders or key[1] not in codes]:
        raise DataDamaged(f"{found.path} was read.", f"Its naming rules lack the video {'/'.join(unknown[0])}.")
    there = {
        (subject, video): path.relative_to(base).as_posix()
        for subject, folder in folders.items()
        for path in sorted((base / folder).glob("*"))
        for video, code in codes.items()
        if (met := VIDEO.match(path.name)) and met[2] == code
    }

    def places(subject: str, video: str) -> list[str]:
        folder = folders[subject]
        return [there.get((subject, video), f"{folder}/{folder.removeprefix('s')}_{codes[video]}")]

    every: Wanted = {**dict.fromkeys(there, ()), **wanted}
    films = located(base, DATA, every, places, lambda *_: CUT)
    return content(films, lambda one: one.emotion, THREE, ("micro", "macro"), [found.path], LOSO)


PROTOCOLS = (
    protocol(
        LOSO,
        DATA,
        read_loso,
        {"classes": list(THREE), "types": ["micro", "macro"], "shorter": SHORTER},
        "micro- and macro-expressions in long videos, also in those without any, a subject left out at a time; the "
        f"shorter side is {SHORTER} pixels; how many videos there are is not pinned, so no result is marked official; "
        f"{LAYOUT}",
        cite="Qu et al., CAS(ME)^2, IEEE TAFFC 9(4), 2018",
        by_type=True,
    ),
)
